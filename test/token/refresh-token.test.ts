/** The refresh token grant: rotation that survives a restart, in a file that nobody else can use. */

import { randomBytes } from 'node:crypto';
import { mkdir, mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { AuthorizationServer } from '../../src/authorization-server/authorization-server.ts';
import { authorizationServer as serverSchema } from '../../src/config/schema/authorization-servers.ts';
import { type TokenConfig, token as tokenSchema } from '../../src/config/schema/tokens.ts';
import { CLIENTS, startAuthorizationServer, USER } from '../helpers/authorization-server.ts';
import { type Scene, startScene } from '../helpers/broker.ts';
import { createCanaries } from '../helpers/canaries.ts';
import { closedAfterEach } from '../helpers/closing.ts';
import { FakeClock } from '../helpers/fake-clock.ts';
import { grantOf } from '../helpers/grant.ts';
import { request } from '../helpers/http-client.ts';
import { answerWith, inTurn, jsonAnswer, oauthError, tokenAnswer } from '../helpers/scripted-answers.ts';
import { type Script, type ScriptedServer, startScriptedServer } from '../helpers/scripted-server.ts';

const KEY = randomBytes(32).toString('base64');
const closed = closedAfterEach();
let folder: string;
let file: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'token-broker-refresh-'));
  file = join(folder, 'kept');
});
afterEach(async () => {
  await rm(folder, { recursive: true, force: true });
});

const persisting = (key = KEY, path = file) => ({ persist: path, persistKey: { unsafeInline: key } });

/** A refresh token source at a server, as a broker that has just started has it. */
function start(server: Record<string, unknown>, more: Record<string, unknown> = {}) {
  const authorizationServer = closed(new AuthorizationServer(serverSchema.parse(server)));
  const events: string[] = [];
  const config = tokenSchema.parse({
    authorizationServer: 'as',
    grant: 'refresh_token',
    clientId: CLIENTS.ledger.clientId,
    clientAuthentication: { method: CLIENTS.ledger.clientAuthentication, secret: { unsafeInline: CLIENTS.ledger.secret } },
    refreshToken: { unsafeInline: 'first' },
    ...more,
  }) as TokenConfig & { grant: 'refresh_token' };
  const source = grantOf(config, authorizationServer, new FakeClock(), events);
  return { get: async () => (await source.get()).reveal(), events, config };
}

interface Rotating extends ScriptedServer {
  /** The refresh tokens that were sent, in order. */
  sent(): (string | null)[];
}

/** A server with one-time refresh tokens: `first`, then `r1`, `r2`, …; anything but the latest is refused. */
async function rotating(options: { readonly first?: string; readonly answer?: Script } = {}): Promise<Rotating> {
  let latest = options.first ?? 'first';
  let count = 0;
  const sentIn = (body: Uint8Array) => new URLSearchParams(Buffer.from(body).toString()).get('refresh_token');
  const server = await startScriptedServer({
    answer:
      options.answer ??
      (({ body }) => {
        if (sentIn(body) !== latest) return oauthError('invalid_grant');
        count += 1;
        latest = `r${count}`;
        return tokenAnswer({ access_token: `access-${count}`, refresh_token: latest });
      }),
  });
  closed(server);
  return Object.assign(server, { sent: () => server.requests.map(({ body }) => sentIn(body)) });
}

const at = (server: ScriptedServer) => ({ tokenEndpoint: `${server.url}/token` });

describe('the refresh token grant', () => {
  test('T13 sends the configured token, then whatever replaced it, with scope and client authentication', async () => {
    const server = await rotating();
    const { get } = start(at(server), { scope: 'ledger.read' });
    expect([await get(), await get(), await get()]).toEqual(['access-1', 'access-2', 'access-3']);
    expect(server.sent()).toEqual(['first', 'r1', 'r2']);
    expect(Object.fromEntries(new URLSearchParams(server.requests[0]?.body.toString()))).toEqual({
      grant_type: 'refresh_token',
      refresh_token: 'first',
      scope: 'ledger.read',
      client_id: CLIENTS.ledger.clientId,
      client_secret: CLIENTS.ledger.secret,
    });
  });

  test('T13 a real server takes the token of before the restart once more, since it was kept', async () => {
    const server = closed(await startAuthorizationServer({ clients: [{ ...CLIENTS.ledger, grants: ['password', 'refresh_token'] }] }));
    const provided = await passwordRefreshToken(server.issuer, server.ca);
    const config = { refreshToken: { unsafeInline: provided }, ...persisting() };
    const before = start({ issuer: server.issuer, tls: { ca: server.ca } }, config);
    await before.get();
    await before.get();
    const after = start({ issuer: server.issuer, tls: { ca: server.ca } }, config);
    expect(await after.get()).toBe(server.issued.at(-1));
    // Without the file the first token is used again, and this server takes that for theft.
    await expect(
      start({ issuer: server.issuer, tls: { ca: server.ca } }, { refreshToken: { unsafeInline: provided } }).get(),
    ).rejects.toMatchObject({ reason: 'invalid_grant' });
    expect([...before.events, ...after.events]).toEqual([]);
  });

  test('T13 the file is of mode 0600, says nothing to who reads it, and nothing else is left in its folder', async () => {
    const canaries = createCanaries();
    const first = canaries.plant('first');
    const second = canaries.plant('second');
    const server = await rotating({ answer: () => tokenAnswer({ refresh_token: second }) });
    await start(at(server), { refreshToken: { unsafeInline: first }, ...persisting() }).get();
    expect((await stat(file)).mode & 0o777).toBe(0o600);
    expect(canaries.find(await readFile(file))).toEqual([]);
    expect(await readdir(folder)).toEqual(['kept']);
  });

  const UNUSABLE: [string, Record<string, unknown>, Record<string, unknown>?][] = [
    ['no access token', { access_token: undefined }],
    ['an oversized access token', { access_token: 'x'.repeat(9_000) }],
    ['an access token with a line break', { access_token: 'a\nb' }],
    ['another token_type', { token_type: 'mac' }],
    ['no lifetime that can be used', { expires_in: 0 }],
    ['less scope than wanted', { scope: 'other' }, { scope: 'wanted', onMissingScope: 'refuse' }],
    [
      'an upstream that is not allowed',
      { instance_url: 'https://elsewhere.example' },
      { upstreamFrom: { field: 'instance_url', allow: ['https://*.api.example'] } },
    ],
    ['a bearer token in place of a bound one', {}, { dpop: true }],
  ];

  test.each(UNUSABLE)('T13 a new refresh token beside %s is kept, in the file and without one', async (_what, members, more = {}) => {
    for (const kept of [{}, persisting()]) {
      const server = await rotating({ answer: () => tokenAnswer({ ...members, refresh_token: 'r1' }) });
      const { get } = start(at(server), { ...more, ...kept });
      await expect(get()).rejects.toMatchObject({ failureClass: 'nonsense' });
      const next = 'persist' in kept ? start(at(server), { ...more, ...kept }) : { get };
      await expect(next.get()).rejects.toMatchObject({ failureClass: 'nonsense' });
      expect(server.sent()).toEqual(['first', 'r1']);
    }
  });

  test.each([
    ['no text', 7],
    ['empty', ''],
    ['a list', ['r1']],
    ['broken by a line', 'r1\nX: y'],
    ['beyond ASCII', 'r\u00e9'],
    ['of 16 KiB and more', 'r'.repeat(16 * 1024 + 1)],
  ])('T13 a new one that is %s replaces nothing', async (_what, value) => {
    const server = await rotating({ answer: inTurn(tokenAnswer({ refresh_token: 'r1' }), tokenAnswer({ refresh_token: value })) });
    await start(at(server), persisting()).get();
    const { get } = start(at(server), persisting());
    await get();
    await get();
    expect(server.sent()).toEqual(['first', 'r1', 'r1']);
  });

  test.each([
    ['an error', jsonAnswer(200, { error: 'invalid_grant', refresh_token: 'r1' })],
    ['a status of refusal', jsonAnswer(400, { error: 'invalid_grant', refresh_token: 'r1' })],
    ['a status that is not 200', jsonAnswer(201, { access_token: 'a', token_type: 'Bearer', refresh_token: 'r1' })],
    ['a redirect', jsonAnswer(302, { access_token: 'a', token_type: 'Bearer', refresh_token: 'r1' })],
    ['what is no JSON', answerWith(200, [], '{"refresh_token":"r1"')],
  ])('T13 a new one beside %s replaces nothing: none was issued', async (_what, answer) => {
    const server = await rotating({ answer: inTurn(answer, tokenAnswer()) });
    const { get } = start(at(server), persisting());
    await expect(get()).rejects.toBeDefined();
    await get();
    expect(server.sent()).toEqual(['first', 'first']);
  });

  test('T13 a configured token that changes while the one before is being redeemed is not replaced by what that leads to', async () => {
    const server = await rotating({
      answer: () => {
        config.refreshToken.fill('second');
        return tokenAnswer({ refresh_token: 'of-the-first' });
      },
    });
    const { get, config } = start(at(server), persisting());
    await get();
    await get();
    expect(server.sent()).toEqual(['first', 'second']);
  });

  test('T13 who waits for its turn while the configured token changes waits for that of the other one, too', async () => {
    const [first, second] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
    const server = await rotating({ first: 'second' });
    const rotate = server.answer;
    server.answer = async (request, connection) => {
      const isFirst = server.sent().at(-1) === 'first';
      await (isFirst ? first : second).promise;
      return isFirst ? tokenAnswer({ refresh_token: 'of-the-first' }) : rotate(request, connection);
    };
    const { get, config } = start(at(server));
    const [before, waiting] = [get(), get()];
    await server.until(({ requests }) => requests.length === 1);
    config.refreshToken.fill('second');
    const after = get();
    await server.until(({ requests }) => requests.length === 2);
    first.resolve();
    await before;
    for (let turn = 0; turn < 50; turn += 1) await new Promise((resolve) => setImmediate(resolve));
    second.resolve();
    await Promise.all([waiting, after]);
    expect(server.sent()).toEqual(['first', 'second', 'r1']);
  });

  test('T13 a configured token that comes while the one before is being refused is left to the next grant', async () => {
    const server = await rotating({
      answer: () => {
        config.refreshToken.fill('second');
        return oauthError('invalid_grant');
      },
    });
    const { get, config } = start(at(server));
    await expect(get()).rejects.toMatchObject({ reason: 'invalid_grant' });
    expect(server.sent()).toEqual(['first']);
  });

  test('T13 a changed configured token wins over the kept one, at start and while running', async () => {
    const server = await rotating();
    await start(at(server), persisting()).get();
    const other = await rotating({ first: 'second' });
    const { get, config } = start({ tokenEndpoint: `${server.url}/token` }, { ...persisting(), refreshToken: { unsafeInline: 'second' } });
    server.answer = other.answer;
    await get();
    await get();
    config.refreshToken.fill('third');
    await expect(get()).rejects.toMatchObject({ reason: 'invalid_grant', failureClass: 'permanent' });
    expect(server.sent()).toEqual(['first', 'second', 'r1', 'third']);
  });

  test.each([
    ['damaged', async () => writeFile(file, `${(await readFile(file, 'utf8')).slice(0, -9)}AAAAAAAA\n`)],
    ['empty', () => writeFile(file, '')],
    ['cut short', () => writeFile(file, '1.')],
    ['of another make', () => writeFile(file, '{"token":"planted"}')],
  ])('T13 a kept file that is %s is warned about once, and the configured token is used', async (_what, harm) => {
    const server = await rotating({ answer: () => tokenAnswer({ refresh_token: 'r1' }) });
    await start(at(server), persisting()).get();
    await harm();
    const { get, events } = start(at(server), persisting());
    await get();
    await get();
    expect(server.sent()).toEqual(['first', 'first', 'r1']);
    expect(events).toEqual(['unreadable: is damaged, or was written with another key']);
  });

  test.each([
    ['another key', () => [{}, persisting(randomBytes(32).toString('base64'))]],
    ['another client', () => [{}, { clientId: 'another', ...persisting() }]],
    ['another server', () => [{ issuer: 'https://another.example' }, persisting()]],
  ])('T13 what was kept for %s is not used', async (_what, changed) => {
    const server = await rotating({ answer: () => tokenAnswer({ refresh_token: 'r1' }) });
    await start(at(server), persisting()).get();
    const [otherServer, otherToken] = changed();
    const { get, events } = start({ ...at(server), ...otherServer }, otherToken);
    await get();
    expect(server.sent()).toEqual(['first', 'first']);
    expect(events).toHaveLength(1);
  });

  test('T13 a file that cannot be written is told, and both new tokens are used all the same', async () => {
    const server = await rotating();
    await mkdir(join(folder, 'gone'));
    const { get, events } = start(at(server), persisting(KEY, join(folder, 'gone', 'kept')));
    await rm(join(folder, 'gone'), { recursive: true });
    expect([await get(), await get()]).toEqual(['access-1', 'access-2']);
    expect(server.sent()).toEqual(['first', 'r1']);
    expect(events).toEqual(['not persisted: ENOENT', 'not persisted: ENOENT']);
  });

  test('T13 a file that is a folder is told, and nothing is left beside it', async () => {
    const server = await rotating();
    await mkdir(file);
    const { get, events } = start(at(server), persisting());
    expect([await get(), await get()]).toEqual(['access-1', 'access-2']);
    expect(events).toEqual([
      'unreadable: is a directory',
      expect.stringMatching(/^not persisted: /),
      expect.stringMatching(/^not persisted: /),
    ]);
    expect(await readdir(folder)).toEqual(['kept']);
  });

  test('R11 two brokers with one file: one redeems, the other reads what replaced it', async () => {
    const server = await rotating();
    const one = start(at(server), persisting());
    const other = start(at(server), persisting());
    expect([await one.get(), await other.get(), await one.get(), await other.get()]).toEqual([
      'access-1',
      'access-2',
      'access-3',
      'access-4',
    ]);
    expect(server.sent()).toEqual(['first', 'r1', 'r2', 'r3']);
  });

  test('R11 a broker that came too late reads the file again before it gives up', async () => {
    const server = await rotating();
    const one = start(at(server), persisting());
    const late = start(at(server), persisting());
    const answer = server.answer;
    server.answer = async (asked, connection) => {
      server.answer = answer;
      await one.get();
      return answer(asked, connection);
    };
    expect(await late.get()).toBe('access-2');
    expect(server.sent()).toEqual(['first', 'first', 'r1']);
  });
});

describe('the refresh token grant in the whole broker', () => {
  const tokenConfig = () => ({ grant: 'refresh_token', refreshToken: { fromFile: 'first' }, ...persisting() });

  async function scene(token: Script, origin?: Script): Promise<Scene> {
    const started = closed(await startScene({ token, tokenConfig: tokenConfig(), files: { first: 'first\n' }, ...(origin && { origin }) }));
    return started;
  }

  test('T13 the new refresh token is on the disk before the new access token is used', async () => {
    const found: number[] = [];
    const started = await scene(
      () => tokenAnswer({ refresh_token: 'r1' }),
      async () => {
        found.push((await readdir(folder)).length);
        return 'HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n';
      },
    );
    expect((await request(`${started.url()}/api/x`)).status).toBe(200);
    expect(found).toEqual([1]);
  });

  test('T13 a refused one is TOKEN_REJECTED, asked for once and remembered', async () => {
    const started = await scene(() => oauthError('invalid_grant'));
    for (let i = 0; i < 5; i += 1) {
      const answer = await request(`${started.url()}/api/x`);
      expect([answer.status, (answer.json() as { code: string }).code]).toEqual([502, 'TOKEN_REJECTED']);
    }
    expect(started.authorizationServer.requests).toHaveLength(1);
  });

  test('T13 a failure to keep it is an error in the log, of which the request knows nothing', async () => {
    await mkdir(file);
    const started = await scene(() => tokenAnswer({ refresh_token: 'r1' }));
    expect((await request(`${started.url()}/api/x`)).status).toBe(200);
    expect(await started.logged('persisted refresh token unreadable: not used')).toMatchObject({ level: 'warn', token: 'orders' });
    expect(await started.logged('refresh token not persisted: in use, but lost with this process')).toMatchObject({ level: 'error' });
  });
});

async function passwordRefreshToken(issuer: string, ca: string): Promise<string> {
  const { clientId, secret } = CLIENTS.ledger;
  const form = new URLSearchParams({ grant_type: 'password', client_id: clientId, client_secret: secret, ...USER, scope: 'ledger.read' });
  const answer = await request(`${issuer}/token`, {
    fields: { 'content-type': 'application/x-www-form-urlencoded' },
    body: form.toString(),
    tls: { ca },
  });
  const { refresh_token: token } = answer.json() as { refresh_token: string };
  return token;
}
