/**
 * The attack: whoever writes the metadata of a server elsewhere names endpoints on this machine, in the clear. The broker would send its
 * neighbours in the pod what they take for commands (Envoy quits on a POST to `/quitquitquit`), and its client secrets to whoever listens there.
 */

import { beforeEach, expect, test } from '@jest/globals';
import { secretHash, startScene } from '../helpers/broker.ts';
import { type Authority, createAuthority } from '../helpers/certificates.ts';
import { closedAfterEach } from '../helpers/closing.ts';
import { request } from '../helpers/http-client.ts';
import { claimsAt, createSigningKey } from '../helpers/issuer.ts';
import { jsonAnswer, metadataAnswer, tokenAnswer } from '../helpers/scripted-answers.ts';
import { type ScriptedServer, startScriptedServer } from '../helpers/scripted-server.ts';

const closed = closedAfterEach();

let authority: Authority;
let neighbour: ScriptedServer;
beforeEach(async () => {
  authority = await createAuthority();
  neighbour = await startScriptedServer({ answer: () => tokenAnswer() });
  closed(neighbour);
});

/** An issuer reached by TLS, whose document names the neighbour. */
async function startElsewhere(members: (there: string, here: string) => Record<string, unknown>): Promise<string> {
  const server = await startScriptedServer({
    tls: await authority.issueServer(),
    answer: ({ target }) => (target === '/token' ? tokenAnswer() : metadataAnswer(server.url, members(server.url, neighbour.url))),
  });
  closed(server);
  return server.url;
}

const CA = { ca: { fromFile: 'ca.pem' } };
const files = () => ({ 'ca.pem': authority.certificate });

test.each([
  ['token endpoint', (_there: string, here: string) => ({ token_endpoint: `${here}/quitquitquit` })],
  ['alias for certificates', (_there: string, here: string) => ({ mtls_endpoint_aliases: { token_endpoint: `${here}/quitquitquit` } })],
])('T12 a document read by TLS names no %s in the clear on this machine', async (_what, members) => {
  const issuer = await startElsewhere(members);
  const scene = closed(await startScene({ files: files(), config: { authorizationServers: { as: { issuer, tls: CA } } } }));
  expect((await request(`${scene.url()}/api/x`)).status).toBe(503);
  expect(await scene.logged('token not granted')).toMatchObject({ reason: 'discovery_token_endpoint_insecure' });
  expect(neighbour.requests).toHaveLength(0);
});

test('T12 a document read by TLS names no keys in the clear on this machine', async () => {
  const key = await createSigningKey();
  neighbour.answer = () => jsonAnswer(200, { keys: [key.jwk] });
  const issuer = await startElsewhere((_there, here) => ({ jwks_uri: `${here}/keys` }));
  const scene = await startScene({
    files: files(),
    route: { callers: ['batch'] },
    config: {
      listeners: { local: { address: '127.0.0.1:0', authenticate: ['jwt', 'basic'] } },
      callers: {
        batch: { jwt: { issuer, audience: 'token-broker', claims: { sub: '*' }, tls: CA } },
        billing: { basic: { passwordHash: await secretHash() } },
      },
    },
  });
  closed(scene);
  const fields = ['Authorization', `Bearer ${await key.sign(claimsAt(Date.now(), issuer))}`];
  expect((await request(`${scene.url()}/api/x`, { fields })).status).toBe(503);
  expect(neighbour.requests).toHaveLength(0);
});

test('T12 what revokes and registers counts as missing where a document read by TLS names it in the clear', async () => {
  const issuer = await startElsewhere((there, here) => ({ token_endpoint: `${there}/token`, revocation_endpoint: `${here}/quitquitquit` }));
  const scene = await startScene({
    files: files(),
    tokenConfig: { revokeOnShutdown: true },
    config: { authorizationServers: { as: { issuer, tls: CA } } },
  });
  closed(scene);
  expect((await request(`${scene.url()}/api/x`)).status).toBe(200);
  await scene.broker.drain();
  expect(neighbour.requests).toHaveLength(0);
});
