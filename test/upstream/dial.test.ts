/** Connections to an upstream over TLS while the client certificate changes: whose they are, and which sessions they resume. */

import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { createServer, type SecureVersion } from 'node:tls';
import { expect, test } from '@jest/globals';
import { Secret } from '../../src/config/secret.ts';
import { Dialer } from '../../src/upstream/dial.ts';
import { type Authority, type Identity, sharedAuthority } from '../helpers/certificates.ts';
import { closedAfterEach } from '../helpers/closing.ts';

const closing = closedAfterEach();

async function startUpstream(authority: Authority, version: SecureVersion) {
  /** What each connection was shown, in order. */
  const shown: string[] = [];
  const server = createServer({
    ...(await authority.issueServer()),
    ca: authority.certificate,
    requestCert: true,
    minVersion: version,
    maxVersion: version,
    sessionIdContext: 'test',
  });
  server.on('secureConnection', (socket) => {
    shown.push(`${socket.isSessionReused() ? 'resumed' : 'new'} ${socket.getPeerCertificate().subject.CN}`);
    socket.on('error', () => {}).end('.');
  });
  await once(server.listen(0, '127.0.0.1'), 'listening');
  closing(server);
  return { shown, origin: `https://127.0.0.1:${(server.address() as AddressInfo).port}` };
}

async function rig(version: SecureVersion = 'TLSv1.3') {
  const authority = await sharedAuthority();
  const { shown, origin } = await startUpstream(authority, version);
  const before = await authority.issueClient({ commonName: 'before' });
  const after = await authority.issueClient({ commonName: 'after' });
  const [cert, key] = [new Secret({ unsafeInline: before.cert }), new Secret({ unsafeInline: before.key })];
  let now = 0;
  const upstreamTls = { ca: new Secret({ unsafeInline: authority.certificate }), cert, key };
  const dialer = closing(
    new Dialer(
      origin,
      { upstreamTls },
      () => {},
      'http/1.1',
      () => now,
    ),
  );
  const connect = async (onSecure = () => {}) => {
    const { socket, ready } = dialer.dial();
    socket.once(ready, onSecure).resume();
    await once(socket, 'close');
  };
  const use = (identity: Partial<Identity>) => {
    if (identity.cert !== undefined) cert.fill(identity.cert);
    if (identity.key !== undefined) key.fill(identity.key);
  };
  const wait = (ms: number) => {
    now += ms;
  };
  /** Begins a connection of which nothing comes. */
  const abandon = () => void dialer.dial().socket.destroy();
  return { shown, after, connect, abandon, use, wait };
}

test.each(['TLSv1.2', 'TLSv1.3'] as const)(
  'T15 a session of %s is resumed while the certificate is the same, and under no other',
  async (version) => {
    const { shown, after, connect, use } = await rig(version);
    await connect();
    await connect();
    use(after);
    await connect();
    await connect();
    expect(shown).toEqual(['new before', 'resumed before', 'new after', 'resumed after']);
  },
);

test('T15 a session that is offered after the certificate has changed, on a connection from before, is not resumed', async () => {
  const { shown, after, connect, use } = await rig();
  // With TLS 1.3 the server offers sessions behind the handshake.
  await connect(() => use(after));
  await connect();
  expect(shown).toEqual(['new before', 'new after']);
});

test('T15 nor is it where a connection with the new one has begun meanwhile', async () => {
  const { shown, after, connect, abandon, use } = await rig();
  await connect(() => {
    use(after);
    abandon();
  });
  await connect();
  expect(shown).toEqual(['new before', 'new after']);
});

test('T15 while only one of the two files has changed the old pair goes on; once both have, the new one is shown', async () => {
  const { shown, after, connect, use, wait } = await rig();
  await connect();
  use({ cert: after.cert });
  wait(5_000);
  await connect();
  use({ key: after.key });
  await connect();
  expect(shown).toEqual(['new before', 'resumed before', 'new after']);
});

test('T15 a pair that does not fit together for long is not covered up by the old one', async () => {
  const { after, connect, use, wait } = await rig();
  await connect();
  use({ cert: after.cert });
  wait(10_001);
  await expect(connect()).rejects.toMatchObject({ code: 'ERR_OSSL_X509_KEY_VALUES_MISMATCH' });
});

test('T15 a pair that never fitted together is said at once', async () => {
  const { after, connect, use } = await rig();
  use({ cert: after.cert });
  await expect(connect()).rejects.toMatchObject({ code: 'ERR_OSSL_X509_KEY_VALUES_MISMATCH' });
});
