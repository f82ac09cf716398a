/** What an authorization server can do wrong, through the whole broker: the answer is right, nobody hammers, nothing leaks. */

import { afterEach, describe, expect, test } from '@jest/globals';
import type { BrokerStatus } from '../../src/admin/status.ts';
import { EXAMPLES } from '../authorization-server/answer-examples.ts';
import { type Scene, startScene } from '../helpers/broker.ts';
import { type Answer, request } from '../helpers/http-client.ts';
import {
  answerWith,
  cutShort,
  hang,
  hangUp,
  inTurn,
  jsonAnswer,
  metadataAnswer,
  oauthError,
  reset,
  tokenAnswer,
  trickle,
} from '../helpers/scripted-answers.ts';
import { startScriptedServer } from '../helpers/scripted-server.ts';

let scene: Scene;
afterEach(() => scene.close());

const get = (path = '/api/x'): Promise<Answer> => request(scene.url() + path);

/** Resolves once so many callers wait for the token. */
async function untilWaiting(count: number): Promise<void> {
  const waiting = async () => ((await request(`${scene.url('admin')}/status`)).json() as BrokerStatus).tokens[0]?.waiting;
  // Each look takes from the machine what the callers need to come.
  while ((await waiting()) !== count) await new Promise((resolve) => setTimeout(resolve, 50));
}

function codeOf(answer: Answer): unknown {
  return (answer.json() as { code: unknown }).code;
}

/** The rules for any refusal: a problem document, no 401, nothing sent upstream, nothing that anybody else said. */
function expectRefusal(answer: Answer, status: number, code: string): void {
  expect([answer.status, codeOf(answer)]).toEqual([status, code]);
  expect(answer.field('content-type')).toBe('application/problem+json');
  expect(answer.field('proxy-status')).toContain(`details="${code}"`);
  expect(answer.text()).not.toMatch(/scripted|secret|127\.0\.0\.1|<html>/);
  expect(scene.origin.requests).toHaveLength(0);
}

describe('an authorization server in trouble', () => {
  test('T01 a token request is exactly these bytes', async () => {
    scene = await startScene({
      tokenConfig: {
        clientId: 'a client: ü',
        clientAuthentication: { secret: { unsafeInline: 'a secret ~/+&=%' } },
        scope: 'orders.read orders.write',
        audience: 'https://orders.example',
        resource: ['https://orders.example/v1'],
        parameters: { tenant: 'a&b' },
        headers: { 'X-Api-Key': { unsafeInline: 'a key' } },
      },
    });
    expect((await get()).status).toBe(200);
    const body =
      'scope=orders.read+orders.write&audience=https%3A%2F%2Forders.example&resource=https%3A%2F%2Forders.example%2Fv1&tenant=a%26b&grant_type=client_credentials';
    const [head = '', ...rest] = scene.authorizationServer.received().toString().split('\r\n\r\n');
    expect(rest).toEqual([body]);
    const [line, ...fields] = head.split('\r\n');
    expect(line).toBe('POST /token HTTP/1.1');
    expect(fields.map((field) => field.replace(/^[^:]+/, (name) => name.toLowerCase())).sort()).toEqual([
      'accept: application/json',
      `authorization: Basic ${Buffer.from('a+client%3A+%C3%BC:a+secret+%7E%2F%2B%26%3D%25').toString('base64')}`,
      'connection: keep-alive',
      `content-length: ${body.length}`,
      'content-type: application/x-www-form-urlencoded;charset=UTF-8',
      `host: ${new URL(scene.authorizationServer.url).host}`,
      'user-agent: token-broker',
      'x-api-key: a key',
    ]);
  });

  test.each([
    ['with CR LF', 'a\r\nX: y'],
    ['empty', ''],
    ['a number', 7],
    ['of 9 KiB', 'a'.repeat(9 * 1024)],
  ])('T02 a token %s is 502, is not cached, and goes nowhere', async (_what, value) => {
    scene = await startScene({ token: () => tokenAnswer({ access_token: value }) });
    expectRefusal(await get(), 502, 'TOKEN_INVALID');
    expectRefusal(await get(), 502, 'TOKEN_INVALID');
    expect(scene.authorizationServer.requests).toHaveLength(1);
  });

  test('T03 a huge expires_in is cut to maxLifetime, a bad one refused', async () => {
    scene = await startScene({ token: () => tokenAnswer({ expires_in: 1e12 }) });
    expect((await get()).status).toBe(200);
    expect(await scene.logged('token granted')).toMatchObject({ lifetimeSeconds: 86_400 });
    await scene.close();
    scene = await startScene({ token: () => tokenAnswer({ expires_in: 0 }) });
    expectRefusal(await get(), 502, 'TOKEN_INVALID');
  });

  test.each([
    ['HTML', answerWith(200, ['Content-Type: text/html'], '<html>')],
    ['empty', answerWith(200, [])],
    ['truncated', answerWith(200, [], '{"access_token":"scrip')],
  ])('T04 a 200 that is %s is tried again, and a later success recovers', async (_what, bad) => {
    let count = 0;
    scene = await startScene({ token: () => (++count === 1 ? bad : tokenAnswer()) });
    expect((await get()).status).toBe(200);
    expect(scene.authorizationServer.requests).toHaveLength(2);
  });

  test.each([
    [200, 503, 'answer_unreadable'],
    [400, 502, 'http_400'],
    [401, 502, 'invalid_client'],
  ])('T04 a %i in a content coding that cannot be undone counts as one without a body: %i', async (status, answered, reason) => {
    scene = await startScene({ token: () => answerWith(status, ['Content-Encoding: zstd'], '{"error":"invalid_scope"}') });
    expect((await get()).status).toBe(answered);
    expect(await scene.logged('token not granted')).toMatchObject({ reason });
  });

  test('T04 an answer that stays unreadable is 503 after three tries', async () => {
    scene = await startScene({ token: () => answerWith(200, [], '<html>') });
    const answer = await get();
    expectRefusal(answer, 503, 'TOKEN_UNAVAILABLE');
    expect(Number(answer.field('retry-after'))).toBeGreaterThan(0);
    expect(scene.authorizationServer.requests).toHaveLength(3);
  });

  test.each(['invalid_client', 'invalid_scope', 'unauthorized_client', 'invalid_grant'])(
    'T05 %s is 502, asked once, remembered, and said in the log only',
    async (error) => {
      scene = await startScene({ token: () => oauthError(error) });
      for (let i = 0; i < 20; i += 1) expectRefusal(await get(), 502, 'TOKEN_REJECTED');
      expect(scene.authorizationServer.requests).toHaveLength(1);
      expect(await scene.logged('token not granted')).toMatchObject({ reason: error, class: 'permanent' });
    },
  );

  test('T05 a 401 with a challenge is a refused client', async () => {
    const challenge = answerWith(
      401,
      ['WWW-Authenticate: Basic realm="as"', 'Content-Type: application/json'],
      '{"error":"invalid_client"}',
    );
    scene = await startScene({ token: () => challenge });
    expectRefusal(await get(), 502, 'TOKEN_REJECTED');
  });

  test("T05 a firewall's 403 page is nonsense, not a refusal", async () => {
    scene = await startScene({ token: () => answerWith(403, ['Content-Type: text/html'], '<html>blocked</html>') });
    expectRefusal(await get(), 502, 'TOKEN_INVALID');
    expect(scene.authorizationServer.requests).toHaveLength(1);
  });

  test.each([301, 302, 307, 308])('T06 a %i is not followed: the other server hears nothing', async (status) => {
    const other = await startScriptedServer({ answer: () => tokenAnswer() });
    scene = await startScene({ token: () => answerWith(status, [`Location: ${other.url}/token`]) });
    expectRefusal(await get(), 502, 'TOKEN_INVALID');
    expect(other.connections).toHaveLength(0);
    await other.close();
  });

  test('T07 an endless answer is cut at 64 KiB', async () => {
    scene = await startScene({ token: () => answerWith(200, [], `{"x":"${'y'.repeat(10 * 1024 * 1024)}"}`) });
    expectRefusal(await get(), 502, 'TOKEN_INVALID');
    expect(await scene.logged('token not granted')).toMatchObject({ reason: 'answer_too_large' });
  });

  test('T07 an answer without an end is not read to it', async () => {
    let written = 0;
    scene = await startScene({
      token: (_asked, { socket, write }) => {
        const more = () => {
          while (socket.writable && !socket.writableNeedDrain) {
            write('y'.repeat(16 * 1024));
            written += 16 * 1024;
          }
        };
        socket.on('drain', more);
        write('HTTP/1.1 200 OK\r\n\r\n');
        more();
      },
    });
    expectRefusal(await get(), 502, 'TOKEN_INVALID');
    await scene.authorizationServer.connections[0]?.closed;
    // What the kernel holds between two sockets, at most: nobody has taken it in.
    expect(written).toBeLessThan(16 * 1024 * 1024);
    expect(scene.authorizationServer.requests).toHaveLength(1);
  });

  test.each([
    ['that never answers', hang],
    ['that falls silent after the head', trickle('HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n', '')],
    ['that resets after the head', cutShort('HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n', 'reset')],
    ['that drips', trickle('HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n', () => ' ')],
    ['that resets', reset],
  ])('T07 a server %s is given up in time', async (_what, token) => {
    scene = await startScene({ token, serverConfig: { timeout: '300ms' } });
    expectRefusal(await get(), 503, 'TOKEN_UNAVAILABLE');
    expect(scene.authorizationServer.requests).toHaveLength(3);
  });

  test.each([
    ['reset', reset],
    ['closed', hangUp],
  ])('T07 a kept connection that is %s under a grant costs the caller nothing: there is another', async (_how, stale) => {
    const token = {
      authorizationServer: 'as',
      grant: 'client_credentials',
      clientAuthentication: { secret: { unsafeInline: 'a-secret' } },
    };
    const origin = await startScriptedServer({ answer: () => answerWith(200, []) });
    const route = { callers: ['anonymous'], upstream: origin.url };
    scene = await startScene({
      token: inTurn(tokenAnswer(), stale, tokenAnswer()),
      config: {
        tokens: Object.fromEntries(['first', 'second'].map((name) => [name, { ...token, clientId: name, renew: { eager: false } }])),
        routes: { first: { ...route, path: '/first', token: 'first' }, second: { ...route, path: '/second', token: 'second' } },
      },
    });
    expect((await get('/first/x')).status).toBe(200);
    expect((await get('/second/x')).status).toBe(200);
    expect(scene.authorizationServer.requests.map(({ connectionId }) => connectionId)).toEqual([1, 1, 2]);
    await origin.close();
  });

  test('T08 Retry-After is honoured: nobody asks before it, and the caller is told', async () => {
    scene = await startScene({ token: () => answerWith(429, ['Retry-After: 7']) });
    const answer = await get();
    expectRefusal(answer, 503, 'TOKEN_UNAVAILABLE');
    expect(Number(answer.field('retry-after'))).toBeGreaterThanOrEqual(6);
    await get();
    expect(scene.authorizationServer.requests).toHaveLength(1);
  });

  test('T09 a dead server is asked a bounded number of times, however many callers come', async () => {
    scene = await startScene({ token: () => answerWith(500, []) });
    const answers = await Promise.all(Array.from({ length: 200 }, () => get()));
    for (const answer of answers) expectRefusal(answer, 503, 'TOKEN_UNAVAILABLE');
    for (let i = 0; i < 50; i += 1) expectRefusal(await get(), 503, 'TOKEN_UNAVAILABLE');
    expect(scene.authorizationServer.requests.length).toBeLessThanOrEqual(5);
  });

  test('T10 the unexpired token serves on while the server is dead, and is never sent after its end', async () => {
    let alive = true;
    scene = await startScene({
      token: () => (alive ? tokenAnswer({ expires_in: 2, access_token: 'short-lived' }) : answerWith(500, [])),
      tokenConfig: { renew: { eager: false, hardMargin: '200ms' } },
    });
    expect((await get()).status).toBe(200);
    alive = false;
    const sent: number[] = [];
    for (;;) {
      // A busy machine may take its time with the answer.
      const askedAt = Date.now();
      const answer = await get();
      if (answer.status !== 200) break;
      sent.push(askedAt);
    }
    expect(sent.length).toBeGreaterThan(1);
    expect((await get()).status).toBe(503);
    const granted = (await scene.logged('token granted'))['time'] as string;
    expect(sent.at(-1)).toBeLessThan(Date.parse(granted) + 2_000);
  });

  /** One for each row of the table of answers, but those about what only other tokens ask for. */
  const FAILURES = Object.entries(EXAMPLES)
    .filter(([, example]) => example.rules === undefined)
    .map(([what, { status, body, tooLarge }]) => {
      const text = tooLarge ? ' '.repeat(70_000) : typeof body === 'string' ? body : JSON.stringify(body);
      return [what, answerWith(status, ['WWW-Authenticate: Basic'], text)] as const;
    });
  test.each(FAILURES)('T11 %s at the token endpoint is never a 401 to the caller, and nothing of it is shown', async (_what, bad) => {
    scene = await startScene({ token: () => bad });
    const answer = await get();
    expect([502, 503]).toContain(answer.status);
    expectRefusal(answer, answer.status, codeOf(answer) as string);
  });

  test('R01 a thousand callers at once on a cold token cost one grant', async () => {
    scene = await startScene({
      token: async () => {
        await untilWaiting(1_000);
        return tokenAnswer();
      },
    });
    const answers = await Promise.all(Array.from({ length: 1_000 }, () => get()));
    expect(answers.filter((answer) => answer.status === 200)).toHaveLength(1_000);
    expect(scene.authorizationServer.requests).toHaveLength(1);
    expect(new Set(scene.origin.requests.map((each) => each.field('authorization')[0]))).toEqual(new Set(['Bearer scripted-access-token']));
  });

  test('R02 a thousand callers share one failure, and all are answered', async () => {
    scene = await startScene({ token: () => oauthError('invalid_client', 401) });
    const answers = await Promise.all(Array.from({ length: 1_000 }, () => get()));
    expect(answers.filter((answer) => answer.status === 502)).toHaveLength(1_000);
    expect(scene.authorizationServer.requests).toHaveLength(1);
  });

  test('R03 twenty tokens and fifty callers of each: twenty grants, and everybody has the right token', async () => {
    const names = Array.from({ length: 20 }, (_, index) => `api-${index}`);
    const token = {
      authorizationServer: 'as',
      grant: 'client_credentials',
      clientAuthentication: { secret: { unsafeInline: 'a-secret' } },
    };
    const origin = await startScriptedServer({
      answer: (asked) => answerWith(200, [], `${asked.target} ${asked.field('authorization')[0]}`),
    });
    scene = await startScene({
      // The client's name comes back in the token, after a while of its own.
      token: async (asked) => {
        const clientId =
          Buffer.from(asked.field('authorization')[0]?.split(' ')[1] ?? '', 'base64')
            .toString()
            .split(':')[0] ?? '';
        await new Promise((resolve) => setTimeout(resolve, Math.random() * 50));
        return tokenAnswer({ access_token: `token-of-${clientId}` });
      },
      config: {
        tokens: Object.fromEntries(names.map((name) => [name, { ...token, clientId: name, renew: { eager: false } }])),
        routes: Object.fromEntries(
          names.map((name) => [name, { path: `/${name}`, callers: ['anonymous'], token: name, upstream: `${origin.url}/${name}` }]),
        ),
      },
    });
    const answers = await Promise.all(
      names.flatMap((name) => Array.from({ length: 50 }, async () => [name, (await get(`/${name}/x`)).text()])),
    );
    for (const [name, text] of answers) expect(text).toBe(`/${name}/x Bearer token-of-${name}`);
    expect(scene.authorizationServer.requests).toHaveLength(20);
    await origin.close();
  });

  test("R08 an authorization server that hangs holds up nobody else's tokens", async () => {
    const hanging = await startScriptedServer({ answer: hang });
    const token = {
      grant: 'client_credentials',
      clientId: 'c',
      clientAuthentication: { secret: { unsafeInline: 'a-secret' } },
      renew: { eager: false },
    };
    const healthy = await startScriptedServer({ answer: () => tokenAnswer({ expires_in: 1 }) });
    const origin = await startScriptedServer({ answer: () => answerWith(200, []) });
    const route = { callers: ['anonymous'], upstream: origin.url };
    scene = await startScene({
      config: {
        authorizationServers: { as: { tokenEndpoint: `${hanging.url}/token` }, healthy: { tokenEndpoint: `${healthy.url}/token` } },
        tokens: { stuck: { ...token, authorizationServer: 'as' }, orders: { ...token, authorizationServer: 'healthy' } },
        routes: { stuck: { ...route, path: '/stuck', token: 'stuck' }, api: { ...route, path: '/api', token: 'orders' } },
      },
    });
    let stuckAnswered = 0;
    const stuck = Array.from({ length: 100 }, () => get('/stuck/x').then(() => (stuckAnswered += 1)));
    await hanging.untilRequests(1);
    for (let i = 0; i < 50; i += 1) expect((await get()).status).toBe(200);
    expect([stuckAnswered, hanging.requests.length]).toEqual([0, 1]);
    await hanging.close();
    await Promise.all(stuck);
    await Promise.all([healthy.close(), origin.close()]);
  });

  test('R04 the caller that began the grant may leave: the others get its token', async () => {
    let answer: (text: string) => void = () => {};
    scene = await startScene({ token: () => new Promise<string>((resolve) => (answer = resolve)) });
    const leaving = new AbortController();
    const left = request(`${scene.url()}/api/leaver`, { signal: leaving.signal }).catch((error: Error) => error.name);
    await scene.authorizationServer.untilRequests(1);
    const staying = get('/api/stayer');
    leaving.abort();
    expect(await left).toBe('AbortError');
    await scene.logged('request', (line) => line['path'] === '/api/leaver');
    answer(tokenAnswer());
    expect((await staying).status).toBe(200);
    expect(scene.authorizationServer.requests).toHaveLength(1);
    expect(scene.origin.requests.map((each) => each.target)).toEqual(['/stayer']);
  });
});

describe('discovery', () => {
  const discovering = (document: (issuer: string) => string, path = '/.well-known/openid-configuration') =>
    startDiscovery((target, issuer) => (target === path ? document(issuer) : target === '/token' ? tokenAnswer() : answerWith(404, [])));

  async function startDiscovery(
    answer: (target: string, issuer: string) => string,
    serverConfig: (issuer: string) => object = () => ({}),
  ): Promise<Scene> {
    const server = await startScriptedServer({ answer: (asked) => answer(asked.target, server.url) });
    const started = await startScene({ serverConfig: { tokenEndpoint: undefined, issuer: server.url, ...serverConfig(server.url) } });
    return { ...started, authorizationServer: server, close: async () => void (await Promise.all([started.close(), server.close()])) };
  }

  test('T12 finds the token endpoint by OpenID Connect discovery, once for many tokens', async () => {
    scene = await discovering((issuer) => metadataAnswer(issuer));
    expect((await get()).status).toBe(200);
    expect(scene.authorizationServer.requests.map((each) => each.target)).toEqual(['/.well-known/openid-configuration', '/token']);
  });

  test('T12 falls back to RFC 8414 where OpenID Connect discovery answers 404', async () => {
    scene = await discovering((issuer) => metadataAnswer(issuer), '/.well-known/oauth-authorization-server');
    expect((await get()).status).toBe(200);
  });

  test.each([true, false])('T12 a document elsewhere is read from exactly there, and its issuer is checked (right: %s)', async (right) => {
    const answer = (target: string, issuer: string) => {
      if (target === '/token') return tokenAnswer();
      return target === '/documents/main.json' ? metadataAnswer(issuer, right ? {} : { issuer: `${issuer}/other` }) : answerWith(404, []);
    };
    scene = await startDiscovery(answer, (issuer) => ({ metadataUrl: `${issuer}/documents/main.json` }));
    expect((await get()).status).toBe(right ? 200 : 503);
    expect(scene.authorizationServer.requests[0]?.target).toBe('/documents/main.json');
  });

  test.each<[string, (issuer: string) => string]>([
    ['whose issuer differs by a slash', (issuer) => jsonAnswer(200, { issuer: `${issuer}/`, token_endpoint: `${issuer}/token` })],
    ['whose issuer differs by case', (issuer) => jsonAnswer(200, { issuer: issuer.toUpperCase(), token_endpoint: `${issuer}/token` })],
    ['of another host', (issuer) => jsonAnswer(200, { issuer: 'https://evil.example', token_endpoint: `${issuer}/token` })],
    ['with an http endpoint elsewhere', (issuer) => metadataAnswer(issuer, { token_endpoint: 'http://evil.example/token' })],
    ['without a token endpoint', (issuer) => metadataAnswer(issuer, { token_endpoint: undefined })],
    ['of 5 MiB', (issuer) => metadataAnswer(issuer, { padding: 'x'.repeat(5 * 1024 * 1024) })],
    ['that is a redirect', (issuer) => answerWith(302, [`Location: ${issuer}/elsewhere`])],
    ['that is HTML', () => answerWith(200, [], '<html>')],
  ])('T12 a document %s is not used', async (_what, document) => {
    scene = await discovering(document);
    expectRefusal(await get(), 503, 'TOKEN_UNAVAILABLE');
    expect(scene.authorizationServer.requests.filter((each) => each.target === '/token')).toHaveLength(0);
    expect((await scene.logged('token not granted'))['reason']).toMatch(/^discovery_/);
  });

  test('T12 a document that never comes is given up in time, and no client secret is sent', async () => {
    const hanging = await startScriptedServer({ answer: hang });
    scene = await startScene({ serverConfig: { tokenEndpoint: undefined, issuer: hanging.url, timeout: '300ms' } });
    expectRefusal(await get(), 503, 'TOKEN_UNAVAILABLE');
    expect(await scene.logged('token not granted')).toMatchObject({ reason: 'discovery_timeout' });
    expect(new Set(hanging.requests.map(({ method }) => method))).toEqual(new Set(['GET']));
    await hanging.close();
  });

  test('T12 the last good document is kept when a later one is bad', async () => {
    let bad = false;
    const answer = (target: string, issuer: string) => {
      if (target === '/token') return tokenAnswer({ expires_in: 1 });
      return bad ? answerWith(500, []) : metadataAnswer(issuer);
    };
    scene = await startDiscovery(answer, () => ({ metadataMaxAge: '1s' }));
    expect((await get()).status).toBe(200);
    bad = true;
    const asked = () => scene.authorizationServer.requests.filter((each) => each.target !== '/token').length;
    await new Promise((resolve) => setTimeout(resolve, 1_100));
    // The token has ended and the document is too old: the grant uses the old one while the new one is asked for.
    expect((await get()).status).toBe(200);
    await scene.authorizationServer.until(() => asked() === 2);
    await new Promise((resolve) => setTimeout(resolve, 1_100));
    expect((await get()).status).toBe(200);
  });
});
