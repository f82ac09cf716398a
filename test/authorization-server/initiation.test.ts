/** The request before the first token request: its bytes, how often it is made, and what its failure means. */

import { describe, expect, test } from '@jest/globals';
import { ORDERS_TOKEN, type Scene, startScene } from '../helpers/broker.ts';
import { closedAfterEach } from '../helpers/closing.ts';
import { request } from '../helpers/http-client.ts';
import { answerWith, inTurn, metadataAnswer, oauthError, tokenAnswer } from '../helpers/scripted-answers.ts';
import { type Script, type ScriptedServer, startScriptedServer } from '../helpers/scripted-server.ts';

const closed = closedAfterEach();

interface Answers {
  readonly initiation?: Script;
  readonly token?: Script;
}

async function scene(answers: Answers = {}, initiation: Record<string, unknown> = {}): Promise<Scene & { readonly as: ScriptedServer }> {
  const { initiation: begin = () => answerWith(204, []), token = () => tokenAnswer() } = answers;
  const as = await startScriptedServer({
    answer: (asked, connection) => {
      if (asked.target.startsWith('/.well-known/')) return metadataAnswer(as.url);
      return asked.target === '/token' ? token(asked, connection) : begin(asked, connection);
    },
  });
  closed(as);
  const started = await startScene({
    config: {
      authorizationServers: { as: { issuer: as.url, initiation: { url: `${as.url}/begin?x=1`, ...initiation } } },
      tokens: { orders: ORDERS_TOKEN, other: { ...ORDERS_TOKEN, scope: 'other' } },
      routes: Object.fromEntries(
        ['orders', 'other'].map((name) => [
          name,
          { path: `/${name}`, callers: ['anonymous'], token: name, upstream: 'http://127.0.0.1:1' },
        ]),
      ),
    },
  });
  closed(started);
  return { ...started, as };
}

/** The answer of the upstream, which is not there, is a 502 of its own: the token was obtained. */
const codeOf = async (scene: Scene, path = '/orders/x') => ((await request(`${scene.url()}${path}`)).json() as { code: string }).code;
const targets = ({ as }: { readonly as: ScriptedServer }) => as.requests.map(({ target }) => target);
const DISCOVERY = '/.well-known/openid-configuration';

describe('the initiation request', () => {
  test('is sent as configured, before all else, once for all tokens of the server', async () => {
    const started = await scene(
      {},
      { method: 'POST', headers: { 'X-Api-Key': { unsafeInline: 'api-key-1' }, 'Content-Type': 'text/plain' }, body: 'hello' },
    );
    const codes = await Promise.all([codeOf(started), codeOf(started, '/other/x')]);
    expect(codes).toEqual(['UPSTREAM_UNREACHABLE', 'UPSTREAM_UNREACHABLE']);
    expect(targets(started)).toEqual(['/begin?x=1', DISCOVERY, '/token', '/token']);
    const [sent] = started.as.requests;
    expect([sent?.method, sent?.body.toString(), sent?.field('x-api-key'), sent?.field('content-type')]).toEqual([
      'POST',
      'hello',
      ['api-key-1'],
      ['text/plain'],
    ]);
    expect(JSON.stringify(started.log)).not.toContain('api-key-1');
  });

  test('is GET without a body where nothing else is said', async () => {
    const started = await scene();
    await codeOf(started);
    expect(started.as.requests[0]).toMatchObject({ method: 'GET', target: '/begin?x=1' });
    expect(started.as.requests[0]?.body).toHaveLength(0);
  });

  test.each([
    ['403', () => answerWith(403, [], 'no'), 'initiation_http_403'],
    ['a redirect, which is not followed', () => answerWith(302, ['Location: /elsewhere']), 'initiation_http_302'],
  ])('answered with %s is a transient failure, and nothing else is sent', async (_what, initiation, reason) => {
    const started = await scene({ initiation });
    expect(await codeOf(started)).toBe('TOKEN_UNAVAILABLE');
    expect(await started.logged('token not granted')).toMatchObject({ class: 'transient', reason });
    expect(new Set(targets(started))).toEqual(new Set(['/begin?x=1']));
  });

  test('may be answered with any page: more than 64 KiB of it are not read', async () => {
    const started = await scene({ initiation: () => answerWith(200, [], 'x'.repeat(70_000)) });
    expect(await codeOf(started)).toBe('UPSTREAM_UNREACHABLE');
    expect(targets(started)).toEqual(['/begin?x=1', DISCOVERY, '/token']);
  });

  test('that failed is made again by the next try', async () => {
    const started = await scene({ initiation: inTurn(answerWith(503, []), answerWith(200, [])) });
    expect(await codeOf(started)).toBe('UPSTREAM_UNREACHABLE');
    expect(targets(started)).toEqual(['/begin?x=1', '/begin?x=1', DISCOVERY, '/token']);
  });

  test('is made again after a token request that failed: the server may have forgotten it', async () => {
    const started = await scene({ token: inTurn(answerWith(503, []), tokenAnswer(), oauthError('invalid_scope')) });
    expect(await codeOf(started)).toBe('UPSTREAM_UNREACHABLE');
    expect(targets(started)).toEqual(['/begin?x=1', DISCOVERY, '/token', '/begin?x=1', '/token']);
  });
});
