/** DPoP at the token endpoint (RFC 9449 §5 and §8): proofs, nonces, and which types of token are believed. */

import { createPublicKey, type JsonWebKey, verify } from 'node:crypto';
import { inspect } from 'node:util';
import { describe, expect, test } from '@jest/globals';
import { AuthorizationServer } from '../../src/authorization-server/authorization-server.ts';
import { authorizationServer as serverSchema } from '../../src/config/schema/authorization-servers.ts';
import { token as tokenSchema } from '../../src/config/schema/tokens.ts';
import type { Grant } from '../../src/token/source.ts';
import { closedAfterEach } from '../helpers/closing.ts';
import { FakeClock } from '../helpers/fake-clock.ts';
import { grantOf } from '../helpers/grant.ts';
import { answerWith, inTurn, oauthError, tokenAnswer } from '../helpers/scripted-answers.ts';
import { type Script, type ScriptedServer, startScriptedServer } from '../helpers/scripted-server.ts';

const closed = closedAfterEach();

const BOUND = tokenAnswer({ token_type: 'DPoP' });
const challenge = (nonce: string) => oauthError('use_dpop_nonce', 400, [`DPoP-Nonce: ${nonce}`]);

interface Rig {
  readonly endpoint: ScriptedServer;
  readonly clock: FakeClock;
  /** A source of its own for each call, at the same server. */
  source(config?: Record<string, unknown>): Grant;
}

async function rig(answer: Script): Promise<Rig> {
  const endpoint = await startScriptedServer({ answer });
  const clock = new FakeClock();
  const server = new AuthorizationServer(serverSchema.parse({ tokenEndpoint: `${endpoint.url}/token?tenant=1` }), clock);
  closed(endpoint, server);
  return {
    endpoint,
    clock,
    source(config = {}) {
      const parsed = tokenSchema.parse({
        authorizationServer: 'as',
        grant: 'client_credentials',
        clientId: 'orders',
        clientAuthentication: { method: 'client_secret_jwt', secret: { unsafeInline: 'secret' } },
        dpop: true,
        ...config,
      });
      return grantOf(parsed, server, clock);
    },
  };
}

const decoded = (part = '') => JSON.parse(Buffer.from(part, 'base64url').toString()) as Record<string, unknown>;
const proofs = ({ endpoint }: Rig) => endpoint.requests.map((asked) => asked.field('dpop')[0] ?? '');
const claims = (scene: Rig) => proofs(scene).map((proof) => decoded(proof.split('.')[1]));
const assertions = ({ endpoint }: Rig) =>
  endpoint.requests.map((asked) => decoded(new URLSearchParams(asked.body.toString()).get('client_assertion')?.split('.')[1])['jti']);

describe('DPoP at the token endpoint', () => {
  test.each([
    ['ES256', true, 'sha256'],
    ['EdDSA', { alg: 'EdDSA' }, null],
  ])('T17 a proof by %s names method, address without query, and the time of our clock', async (alg, dpop, hash) => {
    const scene = await rig(() => BOUND);
    await scene.source({ dpop }).get();
    const [header = '', payload = '', signature = ''] = (proofs(scene)[0] as string).split('.');
    const { jwk, ...rest } = decoded(header) as { jwk: JsonWebKey };
    expect(rest).toEqual({ typ: 'dpop+jwt', alg });
    expect(jwk).not.toHaveProperty('d');
    const key = { key: createPublicKey({ key: jwk, format: 'jwk' }), dsaEncoding: 'ieee-p1363' as const };
    expect(verify(hash, Buffer.from(`${header}.${payload}`), key, Buffer.from(signature, 'base64url'))).toBe(true);
    expect(decoded(payload)).toEqual({
      jti: expect.stringMatching(/^[0-9a-f-]{36}$/),
      htm: 'POST',
      htu: `${scene.endpoint.url}/token`,
      iat: Math.floor(scene.clock.now() / 1000),
    });
  });

  test('T17 a challenge is answered once, with a fresh proof and a fresh assertion', async () => {
    const scene = await rig(inTurn(challenge('n-1'), BOUND));
    expect((await scene.source().get()).scheme).toBe('DPoP');
    expect(claims(scene).map(({ nonce }) => nonce)).toEqual([undefined, 'n-1']);
    expect(new Set(claims(scene).map(({ jti }) => jti)).size).toBe(2);
    expect(new Set(assertions(scene)).size).toBe(2);
  });

  test('T17 a second challenge in a row is a transient failure, and the next try begins with its nonce', async () => {
    const scene = await rig(inTurn(challenge('n-1'), challenge('n-2'), BOUND));
    const source = scene.source();
    await expect(source.get()).rejects.toMatchObject({ failureClass: 'transient', reason: 'use_dpop_nonce' });
    expect(scene.endpoint.requests).toHaveLength(2);
    await source.get();
    expect(claims(scene).at(-1)).toMatchObject({ nonce: 'n-2' });
  });

  test.each([
    ['that gives no nonce', oauthError('use_dpop_nonce'), true],
    ['of a request that had no proof', challenge('n-1'), false],
  ])('T17 a challenge %s is a refusal', async (_what, answer, dpop) => {
    const scene = await rig(() => answer);
    await expect(scene.source({ dpop }).get()).rejects.toMatchObject({ failureClass: 'permanent', reason: 'use_dpop_nonce' });
    expect(scene.endpoint.requests).toHaveLength(1);
  });

  test('T17 the last nonce of any answer of the server, a failure too, is in the next proof of any token', async () => {
    const bound = (nonce: string) => BOUND.replace('\r\n', `\r\nDPoP-Nonce: ${nonce}\r\n`);
    const scene = await rig(inTurn(bound('n-1'), answerWith(503, ['DPoP-Nonce: n-2']), BOUND));
    const first = scene.source();
    await first.get();
    await expect(first.get()).rejects.toMatchObject({ reason: 'http_503' });
    await scene.source({ clientId: 'ledger' }).get();
    await first.get();
    expect(claims(scene).map(({ nonce }) => nonce)).toEqual([undefined, 'n-1', 'n-2', 'n-2']);
    expect(new Set(claims(scene).map(({ jti }) => jti)).size).toBe(4);
  });

  test.each([
    [true, 'Bearer', false],
    [true, undefined, false],
    [true, 'dpop', true],
    [false, 'DPoP', false],
    [false, 'bearer', true],
  ])('T17 with "dpop": %s a token of type %s is accepted: %s', async (dpop, type, accepted) => {
    const got = (await rig(() => tokenAnswer({ token_type: type }))).source({ dpop }).get();
    if (accepted) await expect(got).resolves.toMatchObject({ scheme: dpop ? 'DPoP' : 'Bearer' });
    else await expect(got).rejects.toMatchObject({ failureClass: 'nonsense', reason: 'token_type_unexpected' });
  });

  test('T17 without "dpop" there is no proof', async () => {
    const scene = await rig(() => tokenAnswer());
    await scene.source({ dpop: false }).get();
    expect(scene.endpoint.requests[0]?.field('dpop')).toEqual([]);
  });

  test('T17 a token shows nothing of its key', async () => {
    const token = await (await rig(() => BOUND)).source().get();
    const shown = inspect(token.dpopKey, { depth: 9, showHidden: true }) + JSON.stringify(token.dpopKey);
    expect(shown).not.toMatch(/"?d"?: ?['"]|PRIVATE/);
    expect(Object.keys(token.dpopKey ?? {})).toEqual([]);
  });
});
