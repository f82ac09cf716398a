/** An upstream that answers 401: about the token or not, once or for ever, honestly or not. */

import { afterEach, describe, expect, test } from '@jest/globals';
import { type Scene, type SceneOptions, startScene } from '../helpers/broker.ts';
import { type Answer, request } from '../helpers/http-client.ts';
import { sendRaw } from '../helpers/raw-client.ts';
import { answerWith, oauthError, tokenAnswer } from '../helpers/scripted-answers.ts';
import type { Script } from '../helpers/scripted-server.ts';
import { startScriptedServer } from '../helpers/scripted-server.ts';

let scene: Scene;
afterEach(() => scene.close());

const BEARER_CHALLENGE = 'WWW-Authenticate: Bearer realm="api", error="invalid_token"';

/** Each grant gives another token; the origin takes those that `accepts` says, and tells what it got. */
async function start(
  accepts: (token: string) => boolean,
  options: SceneOptions = {},
  challenge: readonly string[] = [BEARER_CHALLENGE],
): Promise<void> {
  let count = 0;
  const origin: Script = (asked) =>
    accepts(tokenOf(asked.field('authorization')[0]))
      ? answerWith(200, [], asked.body)
      : answerWith(401, challenge, 'refused by the upstream');
  scene = await startScene({ token: () => tokenAnswer({ access_token: `token-${++count}` }), origin, ...options });
}

function tokenOf(authorization: string | undefined): string {
  return authorization?.replace('Bearer ', '') ?? '';
}

const call = (options: Parameters<typeof request>[1] = {}): Promise<Answer> => request(`${scene.url()}/api/x`, options);
const seen = (): string[] => scene.origin.requests.map((each) => tokenOf(each.field('authorization')[0]));
const grants = (): number => scene.authorizationServer.requests.length;

describe('an upstream that answers 401', () => {
  test.each([
    ['with a challenge of the token', [BEARER_CHALLENGE]],
    ['without any challenge', []],
    ['with several challenges', ['WWW-Authenticate: Basic realm="x", Bearer error="invalid_token"']],
  ])('U07 %s: one new token, one replay', async (_what, challenge) => {
    await start((token) => token === 'token-2', {}, challenge);
    const answer = await call();
    expect([answer.status, seen(), grants()]).toEqual([200, ['token-1', 'token-2'], 2]);
    await call();
    expect(seen()).toEqual(['token-1', 'token-2', 'token-2']);
  });

  test('U07 a body within the buffer is sent again byte for byte', async () => {
    await start((token) => token === 'token-2');
    const body = Buffer.alloc(60_000, 'abcdefg');
    const answer = await call({ method: 'POST', body });
    expect(answer.status).toBe(200);
    expect(scene.origin.requests.map((each) => each.body.equals(body))).toEqual([true, true]);
  });

  test('U07 a body in chunks is sent again with its trailers', async () => {
    await start((token) => token === 'token-2');
    const head = 'POST /api/x HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\n';
    const { text } = await sendRaw(scene.address(), `${head}5\r\nhello\r\n0\r\nX-Sum: 12\r\n\r\n`);
    expect(text).toMatch(/^HTTP\/1\.1 200 /);
    expect(scene.origin.requests.map(({ body, trailers }) => [body.toString(), trailers.trim()])).toEqual([
      ['hello', 'X-Sum: 12'],
      ['hello', 'X-Sum: 12'],
    ]);
  });

  test('U07 with a larger body the 401 is passed on, and the next request has a new token', async () => {
    await start((token) => token === 'token-2', { route: { replayBuffer: '1KiB' } });
    const answer = await call({ method: 'POST', body: Buffer.alloc(2_000, 'x') });
    expect([answer.status, answer.text()]).toEqual([401, 'refused by the upstream']);
    await scene.authorizationServer.untilRequests(2);
    await scene.logged(
      'token granted',
      (line) => line['fingerprint'] !== undefined && scene.log.filter((each) => each['msg'] === 'token granted').length === 2,
    );
    expect((await call()).status).toBe(200);
  });

  test('U07 a hundred callers with the same refused token cost one grant', async () => {
    await start((token) => token === 'token-2');
    const answers = await Promise.all(Array.from({ length: 100 }, () => call()));
    expect(answers.every((answer) => answer.status === 200)).toBe(true);
    expect(grants()).toBe(2);
  });

  test('U07 a token that another request has renewed in the meantime is used, not thrown away', async () => {
    let late: () => void = () => {};
    let count = 0;
    scene = await startScene({
      token: () => tokenAnswer({ access_token: `token-${++count}` }),
      origin: async (asked) => {
        const token = tokenOf(asked.field('authorization')[0]);
        if (asked.target === '/late' && token === 'token-1') await new Promise<void>((resolve) => (late = resolve));
        return token === 'token-1' ? answerWith(401, []) : answerWith(200, []);
      },
    });
    const first = request(`${scene.url()}/api/late`);
    await scene.origin.untilRequests(1);
    expect((await call()).status).toBe(200);
    late();
    expect((await first).status).toBe(200);
    expect(grants()).toBe(2);
  });

  test('U07 without another token to be had, the 401 is passed on whole', async () => {
    let first = true;
    await start(() => false, {
      token: () => {
        if (!first) return oauthError('invalid_client', 401);
        first = false;
        return tokenAnswer({ access_token: 'token-1' });
      },
    });
    const answer = await call();
    expect([answer.status, answer.text(), answer.complete]).toEqual([401, 'refused by the upstream', true]);
    expect(answer.field('www-authenticate')).toContain('Bearer');
    expect(seen()).toEqual(['token-1']);
  });

  test('U08 a redirect to another host is passed on untouched, and the token does not go there', async () => {
    const other = await startScriptedServer({ answer: () => answerWith(200, []) });
    scene = await startScene({ origin: () => answerWith(302, [`Location: ${other.url}/x`]) });
    const answer = await call();
    expect([answer.status, answer.field('location')]).toEqual([302, `${other.url}/x`]);
    expect(other.connections).toHaveLength(0);
    await other.close();
  });

  test('U09 for ever: at most two upstream requests for each of ours, a bounded number of grants, and the 401 is passed on', async () => {
    await start(() => false);
    const answers: Answer[] = [];
    for (let round = 0; round < 5; round += 1) answers.push(...(await Promise.all(Array.from({ length: 40 }, () => call()))));
    expect(answers.every((answer) => answer.status === 401)).toBe(true);
    expect(scene.origin.requests.length).toBeLessThanOrEqual(2 * answers.length);
    expect(grants()).toBe(2);
    // The fresh token was refused as well: from then on a 401 is passed on at once.
    const before = scene.origin.requests.length;
    await call();
    expect(scene.origin.requests).toHaveLength(before + 1);
  });

  test.each([
    ['403 insufficient_scope', 403, ['WWW-Authenticate: Bearer error="insufficient_scope"']],
    ['401 insufficient_scope', 401, ['WWW-Authenticate: Bearer error="insufficient_scope", scope="admin"']],
    ['a 401 of another scheme', 401, ['WWW-Authenticate: Basic realm="bearer"']],
  ])('U10 %s renews nothing', async (_what, status, challenge) => {
    scene = await startScene({ origin: () => answerWith(status, challenge) });
    expect((await call()).status).toBe(status);
    expect([scene.origin.requests.length, grants()]).toEqual([1, 1]);
  });

  test.each([
    ['of the scheme that the route names', ['WWW-Authenticate: Token'], 2],
    ['of that scheme in other letters, among others', ['WWW-Authenticate: Basic realm="x", TOKEN realm="y"'], 2],
    ['of the scheme that the token is sent under, all the same', [BEARER_CHALLENGE], 2],
    ['of a third scheme', ['WWW-Authenticate: OAuth realm="token"'], 1],
    ['of that scheme that a new token would not mend', ['WWW-Authenticate: Token error="insufficient_scope"'], 1],
  ])('U07 where the route names the scheme of challenges, one %s renews or not', async (_what, challenge, expected) => {
    await start((token) => token === 'token-2', { route: { inject: { challenge: 'Token' } } }, challenge);
    expect((await call()).status).toBe(expected === 2 ? 200 : 401);
    expect(grants()).toBe(expected);
  });

  test('U10 a challenge of the scheme "Token" renews nothing where the route does not name it', async () => {
    await start((token) => token === 'token-2', {}, ['WWW-Authenticate: Token']);
    expect([(await call()).status, grants()]).toEqual([401, 1]);
  });

  test.each([500, 502, 503, 429])('U06 a %i of the upstream is passed on, and the token stays', async (status) => {
    scene = await startScene({ origin: () => answerWith(status, ['Retry-After: 3'], 'theirs') });
    const answer = await call();
    expect([answer.status, answer.text(), answer.field('retry-after'), answer.field('proxy-status')]).toEqual([
      status,
      'theirs',
      '3',
      undefined,
    ]);
    expect([scene.origin.requests.length, grants()]).toEqual([1, 1]);
  });

  test('a route may pass a 401 on as it is', async () => {
    await start((token) => token === 'token-2', { route: { onUnauthorized: 'pass' } });
    expect((await call()).status).toBe(401);
    expect(grants()).toBe(1);
  });
});
