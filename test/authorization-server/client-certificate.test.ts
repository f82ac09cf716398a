/** Clients that prove themselves by a TLS certificate (RFC 8705): which endpoint, which connection, which certificate. */

import type { TLSSocket, TlsOptions } from 'node:tls';
import { afterEach, describe, expect, test } from '@jest/globals';
import { AuthorizationServer } from '../../src/authorization-server/authorization-server.ts';
import type { ClientProof } from '../../src/authorization-server/client-proof.ts';
import { authorizationServer as serverSchema } from '../../src/config/schema/authorization-servers.ts';
import { Secret } from '../../src/config/secret.ts';
import { none } from '../../src/token/client-auth/none.ts';
import { tlsClientAuth } from '../../src/token/client-auth/tls-client-auth.ts';
import { createAuthority, type Identity, sharedAuthority } from '../helpers/certificates.ts';
import { answerWith, metadataAnswer, tokenAnswer } from '../helpers/scripted-answers.ts';
import { type ScriptedConnection, type ScriptedServer, startScriptedServer } from '../helpers/scripted-server.ts';

let servers: { close(): Promise<void> }[] = [];
afterEach(async () => {
  await Promise.all(servers.map((server) => server.close()));
  servers = [];
});

interface CertificateServer extends ScriptedServer {
  /** The common names of the client certificates, one for each connection; empty where there was none. */
  readonly presented: string[];
}

/** A TLS server that asks for a certificate; `/token` gives tokens, everything else is `metadata`. */
async function startServer(
  metadata: (url: string) => string = () => answerWith(404, []),
  tls: TlsOptions = {},
): Promise<CertificateServer> {
  const authority = await sharedAuthority();
  const presented: string[] = [];
  const server = await startScriptedServer({
    answer: (asked) => (asked.target === '/token' ? tokenAnswer() : metadata(server.url)),
    tls: { ...(await authority.issueServer()), ca: authority.certificate, requestCert: true, rejectUnauthorized: false, ...tls },
    onConnection: ({ socket }) => void presented.push((socket as TLSSocket).getPeerX509Certificate()?.subject.replace('CN=', '') ?? ''),
  });
  servers.push(server);
  return { ...server, presented };
}

async function client(config: object): Promise<AuthorizationServer> {
  const { certificate } = await sharedAuthority();
  const created = new AuthorizationServer(serverSchema.parse({ ...config, tls: { ca: certificate } }));
  servers.push(created);
  return created;
}

const issue = async (commonName: string) => (await sharedAuthority()).issueClient({ commonName });

function proofOf({ cert, key }: Identity): ClientProof & { use(next: Partial<Identity>): void } {
  const certificate = new Secret({ unsafeInline: cert });
  const secretKey = new Secret({ unsafeInline: key });
  return {
    ...tlsClientAuth({ certificate, key: secretKey }),
    use(next) {
      if (next.cert !== undefined) certificate.fill(next.cert);
      if (next.key !== undefined) secretKey.fill(next.key);
    },
  };
}

const request = (proof: ClientProof) => ({
  grant: 'client_credentials',
  clientId: 'the-client',
  proof,
  parameters: new URLSearchParams(),
  headers: {},
  maxSize: 8192,
});

describe('client certificates', () => {
  test('T15 the mTLS alias of the token endpoint is used, by those who have a certificate', async () => {
    const aliased = await startServer();
    const main = await startServer((url) => metadataAnswer(url, { mtls_endpoint_aliases: { token_endpoint: `${aliased.url}/token` } }));
    const authorizationServer = await client({ issuer: main.url });
    await authorizationServer.requestToken(request(proofOf(await issue('orders'))));
    expect(aliased.requests.map((asked) => asked.body.toString())).toEqual(['grant_type=client_credentials&client_id=the-client']);
    expect(main.requests.map((asked) => asked.target)).toEqual(['/.well-known/openid-configuration']);
    expect(aliased.presented).toEqual(['orders']);
    await authorizationServer.requestToken(request(none));
    expect(main.requests.at(-1)?.target).toBe('/token');
    expect([aliased.requests.length, main.presented]).toEqual([1, ['']]);
  });

  test('T15 without an alias the token endpoint itself gets the certificate', async () => {
    const server = await startServer();
    await (await client({ tokenEndpoint: `${server.url}/token` })).requestToken(request(proofOf(await issue('orders'))));
    expect(server.presented).toEqual(['orders']);
  });

  test('T12 a document with an http alias elsewhere is not used', async () => {
    const main = await startServer((url) =>
      metadataAnswer(url, { mtls_endpoint_aliases: { token_endpoint: 'http://evil.example/token' } }),
    );
    const refused = (await client({ issuer: main.url })).requestToken(request(proofOf(await issue('orders'))));
    await expect(refused).rejects.toMatchObject({ reason: 'discovery_token_endpoint_insecure' });
  });

  test('T15 each certificate has connections of its own: none is lent to another client, or to one without', async () => {
    const server = await startServer();
    const authorizationServer = await client({ tokenEndpoint: `${server.url}/token` });
    const proofs = [proofOf(await issue('orders')), proofOf(await issue('ledger')), none];
    for (const proof of [...proofs, ...proofs]) await authorizationServer.requestToken(request(proof));
    expect(server.presented).toEqual(['orders', 'ledger', '']);
    expect(server.requests).toHaveLength(6);
  });

  test('T15 a changed certificate is on the next connection, and the old connection is closed', async () => {
    const server = await startServer();
    const authorizationServer = await client({ tokenEndpoint: `${server.url}/token` });
    const proof = proofOf(await issue('before'));
    await authorizationServer.requestToken(request(proof));
    proof.use(await issue('after'));
    await authorizationServer.requestToken(request(proof));
    expect(server.presented).toEqual(['before', 'after']);
    // At once: an unused one would be given up after a while anyway.
    for (let asked = 0; asked < 100 && server.openConnections() > 1; asked += 1) await authorizationServer.requestToken(request(proof));
    expect(server.openConnections()).toBe(1);
  });

  test.each(['TLSv1.2', 'TLSv1.3'] as const)(
    'T15 a session of %s is resumed under the certificate that it was made with, and under no other',
    async (version) => {
      const server = await startServer(undefined, { minVersion: version, maxVersion: version, sessionIdContext: 'test' });
      const authorizationServer = await client({ tokenEndpoint: `${server.url}/token` });
      const orders = proofOf(await issue('orders'));
      const said: string[] = [];
      const ask = async (proof: ClientProof) => {
        await authorizationServer.requestToken(request(proof));
        const { socket } = server.connections.at(-1) as ScriptedConnection;
        said.push(`${(socket as TLSSocket).isSessionReused() ? 'resumed' : 'new'} ${server.presented.at(-1)}`);
        socket.end();
        await server.until(({ openConnections }) => openConnections() === 0);
      };
      for (const proof of [orders, orders, none, none, orders, none]) await ask(proof);
      orders.use(await issue('after'));
      await ask(orders);
      expect(said).toEqual(['new orders', 'resumed orders', 'new ', 'resumed ', 'resumed orders', 'resumed ', 'new after']);
    },
  );

  test('T15 while only one of the two files has changed nothing is sent; once both have, it works', async () => {
    const server = await startServer();
    const authorizationServer = await client({ tokenEndpoint: `${server.url}/token` });
    const proof = proofOf(await issue('before'));
    await authorizationServer.requestToken(request(proof));
    const { cert, key } = await issue('after');
    proof.use({ cert });
    const refused = authorizationServer.requestToken(request(proof));
    await expect(refused).rejects.toMatchObject({ failureClass: 'permanent', reason: 'client_certificate_unusable' });
    expect(server.requests).toHaveLength(1);
    proof.use({ key });
    await authorizationServer.requestToken(request(proof));
    expect(server.presented).toEqual(['before', 'after']);
  });

  test.each(['TLSv1.2', 'TLSv1.3'] as const)(
    'T15 a server that ends the connection over a certificate, by %s, is in trouble',
    async (version) => {
      const server = await startServer(undefined, { rejectUnauthorized: true, minVersion: version, maxVersion: version });
      const stranger = await (await createAuthority('Elsewhere')).issueClient({ commonName: 'stranger' });
      const refused = (await client({ tokenEndpoint: `${server.url}/token` })).requestToken(request(proofOf(stranger)));
      // It gives no reason: nothing tells this from a network that fails.
      await expect(refused).rejects.toMatchObject({ failureClass: 'transient' });
      expect(server.requests).toHaveLength(0);
    },
  );
});
