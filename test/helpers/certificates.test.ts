import { X509Certificate } from 'node:crypto';
import { once } from 'node:events';
import { connect, createServer, type TLSSocket } from 'node:tls';
import { beforeAll, describe, expect, test } from '@jest/globals';
import { type Authority, createAuthority, createSelfSigned, type Identity, sharedAuthority } from './certificates.ts';

let authority: Authority;
let server: Identity;

beforeAll(async () => {
  authority = await sharedAuthority();
  server = await authority.issueServer();
});

/** What a server that trusts the authority says of a client: `authorized` or the reason why not. */
async function verdictOn(client: Identity, crl?: string): Promise<string> {
  const listener = createServer({
    cert: server.cert,
    key: server.key,
    ca: authority.certificate,
    requestCert: true,
    rejectUnauthorized: false,
    ciphers: 'DEFAULT@SECLEVEL=0',
    ...(crl === undefined ? {} : { crl }),
  });
  const verdict = new Promise<string>((resolve) => {
    listener.once('secureConnection', (socket: TLSSocket) => {
      resolve(socket.authorized ? 'authorized' : String(socket.authorizationError));
      socket.end();
    });
  });
  listener.listen(0, '127.0.0.1');
  await once(listener, 'listening');
  const { port } = listener.address() as { port: number };
  const { cert, key } = client;
  const socket = connect({
    port,
    host: '127.0.0.1',
    servername: 'localhost',
    ca: authority.certificate,
    cert,
    key,
    ciphers: 'DEFAULT@SECLEVEL=0',
  });
  socket.resume();
  try {
    return await verdict;
  } finally {
    listener.close();
    await once(listener, 'close');
  }
}

describe('test certificates', () => {
  test('an issued client is accepted, by names that can be read back', async () => {
    const client = await authority.issueClient({ commonName: 'c', uri: ['spiffe://acme.example/ns/a'], dns: ['a.example'] });
    expect(await verdictOn(client)).toBe('authorized');
    const parsed = new X509Certificate(client.leaf);
    expect(parsed.subjectAltName).toBe('DNS:a.example, URI:spiffe://acme.example/ns/a');
    expect(parsed.fingerprint256.replaceAll(':', '').toLowerCase()).toBe(client.fingerprint);
  });

  test('one with a common name only has no alternative names', async () => {
    const parsed = new X509Certificate((await authority.issueClient({ commonName: 'reports' })).leaf);
    expect([parsed.subject, parsed.subjectAltName]).toEqual(['CN=reports', undefined]);
  });

  test('a client of an intermediate is accepted because it brings the chain', async () => {
    const intermediate = await authority.intermediate('Test Intermediate');
    const client = await intermediate.issueClient({ dns: ['a.example'] });
    expect(await verdictOn(client)).toBe('authorized');
    expect(await verdictOn({ ...client, cert: client.leaf })).toBe('UNABLE_TO_VERIFY_LEAF_SIGNATURE');
  });

  test.each([
    ['expired', 'CERT_HAS_EXPIRED'],
    ['future', 'CERT_NOT_YET_VALID'],
  ] as const)('one that is %s is refused', async (validity, reason) => {
    expect(await verdictOn(await authority.issueClient({ dns: ['a.example'], validity }))).toBe(reason);
  });

  test('one for servers only is refused as a client', async () => {
    expect(await verdictOn(await authority.issueClient({ dns: ['a.example'], usage: ['server'] }))).toBe('INVALID_PURPOSE');
  });

  test('one of nobody or of another authority is refused', async () => {
    expect(await verdictOn(await createSelfSigned({ dns: ['a.example'] }))).toBe('DEPTH_ZERO_SELF_SIGNED_CERT');
    const other = await createAuthority('Other Root');
    expect(await verdictOn(await other.issueClient({ dns: ['a.example'] }))).toBe('UNABLE_TO_VERIFY_LEAF_SIGNATURE');
  });

  test('one with a short RSA key can be made', async () => {
    const client = await authority.issueClient({ dns: ['a.example'], key: 'rsa-1024' });
    expect(new X509Certificate(client.leaf).publicKey.asymmetricKeyDetails?.modulusLength).toBe(1024);
    expect(await verdictOn(client)).toBe('authorized');
  });

  test('a revocation list refuses those on it, and everyone once it is stale', async () => {
    const [good, bad] = [await authority.issueClient({ dns: ['good.example'] }), await authority.issueClient({ dns: ['bad.example'] })];
    const list = await authority.revocationList([bad]);
    expect(await verdictOn(good, list)).toBe('authorized');
    expect(await verdictOn(bad, list)).toBe('CERT_REVOKED');
    expect(await verdictOn(good, await authority.revocationList([], { expired: true }))).toBe('CRL_HAS_EXPIRED');
  });
});
