/** Calls to an authorization server, down to the bytes: answers that are odd, late or too large, and connections that end, wait or lead through a proxy. */

import { createServer, type Socket } from 'node:net';
import { afterEach, describe, expect, test } from '@jest/globals';
import { type Answer, AuthorizationServerCalls, type CallRequest, type CallsOptions } from '../../src/authorization-server/call.ts';
import { toAuthorizationServerError } from '../../src/authorization-server/failure.ts';
import { proxy as proxySchema } from '../../src/config/schema/proxy.ts';
import type { Secret } from '../../src/config/secret.ts';
import { createAuthority } from '../helpers/certificates.ts';
import { collectGarbage } from '../helpers/garbage.ts';
import { startHttpProxy } from '../helpers/http-proxy.ts';
import { fieldLines } from '../helpers/message-framing.ts';
import { answerWith, cutShort, hang, hangUp, inTurn, reset, trickle } from '../helpers/scripted-answers.ts';
import { type Script, type ScriptedServer, type ScriptedServerOptions, startScriptedServer } from '../helpers/scripted-server.ts';

const closing: { close(): unknown }[] = [];
afterEach(async () => {
  for (const each of closing.splice(0).reverse()) await each.close();
});

async function serverThat(answer: Script, more: Partial<ScriptedServerOptions> = {}): Promise<ScriptedServer> {
  const server = await startScriptedServer({ answer, ...more });
  closing.push(server);
  return server;
}

/** An https server, and what a client must trust to call it. */
async function secureServer(answer: Script, identity: { dns?: string[]; ip?: string[] } = {}) {
  const authority = await createAuthority();
  return { server: await serverThat(answer, { tls: await authority.issueServer(identity) }), ca: () => authority.certificate };
}

async function proxyThat(refuse?: (head: string) => string | undefined) {
  const proxy = await startHttpProxy(refuse);
  closing.push(proxy);
  return proxy;
}

/** Accepts connections and says nothing. */
async function silentServer(): Promise<{ port: number; sockets: Set<Socket>; gone: Promise<void> }> {
  const sockets = new Set<Socket>();
  const gone = Promise.withResolvers<void>();
  const server = createServer((socket) => {
    sockets.add(socket);
    socket
      .on('error', () => {})
      .on('close', () => gone.resolve())
      .resume();
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  closing.push({ close: () => new Promise((resolve) => server.close(resolve)) });
  return { port: (server.address() as { port: number }).port, sockets, gone: gone.promise };
}

function callsTo(options: Partial<CallsOptions> = {}): AuthorizationServerCalls {
  const calls = new AuthorizationServerCalls({ timeoutMs: 60_000, connectTimeoutMs: 60_000, ca: () => undefined, ...options });
  closing.push(calls);
  return calls;
}

const ask = (calls: AuthorizationServerCalls, base: string, path = '/token', more: Partial<CallRequest> = {}): Promise<Answer> =>
  calls.call({ url: base + path, method: 'POST', headers: { accept: 'application/json' }, body: 'a=b', ...more });

const textOf = async (answer: Promise<Answer>) => (await answer).body.toString();

async function failureOf(answer: Promise<Answer>) {
  const error = await answer.then(
    () => new Error('there was an answer'),
    (cause: unknown) => cause,
  );
  const { failureClass, reason } = toAuthorizationServerError(error);
  return [failureClass, reason];
}

describe('an answer of an authorization server', () => {
  const interim = 'HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n'.repeat(100);
  test.each<[string, Script | string]>([
    ['by its length', answerWith(200, [], 'whole')],
    ['by chunks', 'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nwh\r\n3\r\nole\r\n0\r\n\r\n'],
    ['by the end of the connection', cutShort('HTTP/1.1 200 OK\r\n\r\nwhole')],
    ['by the end of the connection, in HTTP/1.0', cutShort('HTTP/1.0 200 OK\r\n\r\nwhole')],
    ['behind a hundred interim answers', `${interim}${answerWith(200, [], 'whole')}`],
    ['byte by byte', trickle('', answerWith(200, [], 'whole'), 1)],
  ])('is read whole %s', async (_how, answer) => {
    const server = await serverThat(typeof answer === 'string' ? () => answer : answer);
    expect(await textOf(ask(callsTo(), server.url))).toBe('whole');
  });

  test('gives the first of fields that are repeated', async () => {
    const server = await serverThat(() => answerWith(400, ['Retry-After: 7', 'retry-after: 9']));
    const answer = await ask(callsTo(), server.url);
    expect([answer.status, answer.field('retry-after'), answer.field('dpop-nonce')]).toEqual([400, '7', undefined]);
  });

  test.each<[string, Script | string, RegExp]>([
    ['with a head of more than 16 KiB', `HTTP/1.1 200 OK\r\nX: ${'x'.repeat(17 * 1024)}\r\nContent-Length: 0\r\n\r\n`, /^hpe_/],
    ['with a head that never ends', trickle('HTTP/1.1 200 OK\r\n', () => `X: ${'x'.repeat(8 * 1024)}\r\n`, 1), /^hpe_/],
    ['with two lengths', 'HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\nabc', /^hpe_/],
    ['with a length and chunks', 'HTTP/1.1 200 OK\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n', /^hpe_/],
    ['that is no HTTP', 'SSH-2.0-OpenSSH_9.2\r\n\r\n', /^hpe_/],
    ['that changes the protocol', 'HTTP/1.1 101 Switching\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\n', /^http_101$/],
    ['that is shorter than its length', cutShort('HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nabc'), /^econnreset$/],
    ['that is reset in its body', cutShort('HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nabc', 'reset'), /^econnreset$/],
    ['without its last chunk', cutShort('HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n'), /^econnreset$/],
    ['of 10,000 interim answers', 'HTTP/1.1 103 Early Hints\r\n\r\n'.repeat(10_000), /^interim_answers$/],
    ['of nothing', hangUp, /^econnreset$/],
    ['that is a reset', reset, /^econnreset$/],
  ])('%s is none: a transient failure', async (_what, answer, reason) => {
    const server = await serverThat(typeof answer === 'string' ? () => answer : answer);
    expect(await failureOf(ask(callsTo(), server.url))).toEqual(['transient', expect.stringMatching(reason)]);
    await server.until(({ openConnections }) => openConnections() === 0);
    expect(server.requests).toHaveLength(1);
  });

  test.each<[string, Script]>([
    ['never comes', hang],
    ['stops in its head', trickle('HTTP/1.1 200 OK\r\n', '')],
    ['stops in its body', trickle('HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nabc', '')],
    ['drips without end', trickle('HTTP/1.1 200 OK\r\n\r\n', () => ' ')],
  ])('that %s is given up after the time of a call, with its connection', async (_what, answer) => {
    const server = await serverThat(answer);
    expect(await failureOf(ask(callsTo({ timeoutMs: 200 }), server.url))).toEqual(['transient', 'timeout']);
    await server.until(({ openConnections }) => openConnections() === 0);
  });

  test("is nobody's any more once it has been given: a broker that runs for years keeps none", async () => {
    const calls = callsTo();
    const server = await serverThat(() => answerWith(200, [], 'ok'));
    const answered = async () => new WeakRef(await ask(calls, server.url));
    const answer = await answered();
    // On the connection that is kept the one before is not the last.
    await answered();
    await collectGarbage();
    expect(answer.deref()).toBeUndefined();
  });

  test('has 64 KiB at most; with more, nothing of it is taken and the connection is dropped', async () => {
    const server = await serverThat(inTurn(answerWith(200, [], 'x'.repeat(65_536)), answerWith(200, [], 'x'.repeat(65_537))));
    const calls = callsTo();
    const fits = await ask(calls, server.url);
    expect([fits.body.length, fits.tooLarge]).toEqual([65_536, false]);
    const more = await ask(calls, server.url);
    expect([more.body.length, more.tooLarge]).toEqual([0, true]);
    await server.until(({ openConnections }) => openConnections() === 0);
  });
});

describe('a connection to an authorization server', () => {
  test('is kept, and used again', async () => {
    const server = await serverThat(() => answerWith(200, [], 'ok'));
    const calls = callsTo();
    for (let i = 0; i < 3; i += 1) expect(await textOf(ask(calls, server.url))).toBe('ok');
    expect(server.connections).toHaveLength(1);
  });

  test('that the server has closed meanwhile is not used again', async () => {
    const server = await serverThat(() => answerWith(200, [], 'ok'));
    const calls = callsTo();
    await ask(calls, server.url);
    server.connections[0]?.end();
    await server.until(({ openConnections }) => openConnections() === 0);
    expect(await textOf(ask(calls, server.url))).toBe('ok');
    expect(server.connections).toHaveLength(2);
  });

  test('that fails when it is used again takes the other unused ones with it: the next call makes a new one', async () => {
    const all = Promise.withResolvers<string>();
    const server = await serverThat(({ count }) => {
      if (count === 16) all.resolve(answerWith(200, [], 'ok'));
      return all.promise;
    });
    const calls = callsTo();
    await Promise.all(Array.from({ length: 16 }, () => ask(calls, server.url)));
    server.answer = ({ connectionId }, connection) => {
      if (connectionId > 16) return answerWith(200, [], 'anew');
      connection.reset();
      return undefined;
    };
    expect(await failureOf(ask(calls, server.url))).toEqual(['transient', 'econnreset']);
    expect(await textOf(ask(calls, server.url))).toBe('anew');
    expect(server.requests).toHaveLength(18);
  });

  test.each([
    ['says it closes', 'Connection: close'],
    ['keeps it for a second only', 'Keep-Alive: timeout=1'],
  ])('that the server %s is not kept', async (_what, field) => {
    const server = await serverThat(() => answerWith(200, [field], 'ok'));
    const calls = callsTo();
    for (let i = 0; i < 2; i += 1) await ask(calls, server.url);
    expect(server.connections).toHaveLength(2);
  });

  test.each([
    ['together with the answer', 0],
    ['later', 50],
  ])('on which the server says more than it was asked, %s, answers nothing else', async (_when, afterMs) => {
    const forged = answerWith(200, [], 'forged');
    const server = await serverThat((asked, { write }) => {
      const answer = answerWith(200, [], `ok ${asked.count}`);
      if (asked.count > 1) return answer;
      if (afterMs === 0) return answer + forged;
      setTimeout(() => write(forged), afterMs);
      return answer;
    });
    const calls = callsTo();
    expect(await textOf(ask(calls, server.url))).toBe('ok 1');
    await server.connections[0]?.closed;
    expect(await textOf(ask(calls, server.url))).toBe('ok 2');
    expect(server.connections).toHaveLength(2);
  });

  test('is one of sixteen at most: the others wait for one of them, no longer than a call may take', async () => {
    let most = 0;
    const server = await serverThat(async () => {
      most = Math.max(most, server.openConnections());
      await new Promise((resolve) => setTimeout(resolve, 20));
      return answerWith(200, [], 'ok');
    });
    const calls = callsTo();
    const times = (length: number, more: Partial<CallRequest> = {}) => Array.from({ length }, () => ask(calls, server.url, '/token', more));
    expect(new Set(await Promise.all(times(40).map(textOf)))).toEqual(new Set(['ok']));
    expect([most, server.connections.length]).toEqual([16, 16]);
    server.answer = hang;
    // These hold on: one that gave up a little before the others would leave its connection to one of them.
    const holding = times(16).map(failureOf);
    await server.untilRequests(56);
    expect(await Promise.all(times(24, { timeoutMs: 200 }).map(failureOf))).toEqual(Array(24).fill(['transient', 'timeout']));
    await calls.close();
    expect(await Promise.all(holding)).toEqual(Array(16).fill(['transient', 'closed']));
    expect(server.requests).toHaveLength(56);
  });

  test('that takes too long to be made, with its TLS, is given up', async () => {
    const { port, gone } = await silentServer();
    expect(await failureOf(ask(callsTo({ connectTimeoutMs: 200 }), `https://127.0.0.1:${port}`))).toEqual(['transient', 'timeout']);
    await gone;
  });

  test('that is refused is transient', async () => {
    const server = await startScriptedServer({ answer: hang });
    await server.close();
    expect(await failureOf(ask(callsTo(), server.url))).toEqual(['transient', 'econnrefused']);
  });

  test('ends with the calls, whether it waits for an answer, for another connection or for nothing', async () => {
    const server = await serverThat((asked) => (asked.target === '/idle' ? answerWith(200, [], 'ok') : undefined));
    const calls = callsTo();
    await Promise.all(Array.from({ length: 20 }, () => ask(calls, server.url, '/idle')));
    const waiting = Array.from({ length: 20 }, () => failureOf(ask(calls, server.url)));
    const other = await serverThat(() => answerWith(200, [], 'ok'));
    await ask(calls, other.url);
    await server.until(({ requests }) => requests.length === 36);
    await calls.close();
    expect(await Promise.all(waiting)).toEqual(Array(20).fill(['transient', 'closed']));
    await server.until(({ openConnections }) => openConnections() === 0);
    await other.until(({ openConnections }) => openConnections() === 0);
    expect(server.requests).toHaveLength(36);
  });

  test('carries no credentials of the URL', async () => {
    const server = await serverThat(() => answerWith(200, [], 'ok'));
    await ask(callsTo(), server.url.replace('//', '//user:password@'));
    expect(server.requests[0]?.field('authorization')).toEqual([]);
  });

  test('is refused to a server of another authority, or of another name', async () => {
    const { server, ca } = await secureServer(() => answerWith(200, [], 'ok'));
    expect(await textOf(ask(callsTo({ ca }), server.url))).toBe('ok');
    expect(await failureOf(ask(callsTo(), server.url))).toEqual(['transient', 'unable_to_verify_leaf_signature']);
    const named = await secureServer(() => answerWith(200, [], 'ok'), { dns: ['elsewhere.example'], ip: [] });
    expect(await failureOf(ask(callsTo({ ca: named.ca }), named.server.url))).toEqual(['transient', 'err_tls_cert_altname_invalid']);
    expect([server.requests.length, named.server.requests.length]).toEqual([1, 0]);
  });
});

describe('a proxy on the way to an authorization server', () => {
  const through = (url: string, more: Partial<CallsOptions> = {}) => callsTo({ proxy: proxySchema.parse({ url }) as never, ...more });

  test('leads by one CONNECT to a connection that is kept', async () => {
    const proxy = await proxyThat();
    const { server, ca } = await secureServer((asked) => answerWith(200, [], `ok ${asked.count}`));
    const calls = through(proxy.url, { ca });
    for (let i = 1; i <= 3; i += 1) expect(await textOf(ask(calls, server.url))).toBe(`ok ${i}`);
    expect([proxy.heads.length, server.connections.length]).toEqual([1, 1]);
    const large = 'x'.repeat(65_536);
    server.answer = () => answerWith(200, [], large);
    expect(await Promise.all(Array.from({ length: 20 }, () => textOf(ask(calls, server.url))))).toEqual(Array(20).fill(large));
    await calls.close();
    await server.until(({ openConnections }) => openConnections() === 0);
  });

  test('is told other credentials as soon as they have changed', async () => {
    const proxy = await proxyThat();
    const { server, ca } = await secureServer(() => answerWith(200, []));
    const config = proxySchema.parse({ url: proxy.url, username: 'broker', password: { unsafeInline: 'before' } });
    const calls = callsTo({ proxy: config as never, ca });
    await ask(calls, server.url);
    (config as { password: Secret }).password.fill('after');
    await ask(calls, server.url);
    const told = proxy.heads.flatMap((head) => fieldLines(head, 'proxy-authorization'));
    expect(told).toEqual(['broker:before', 'broker:after'].map((both) => `Basic ${Buffer.from(both).toString('base64')}`));
  });

  test('does not vouch for the name of the server', async () => {
    const proxy = await proxyThat();
    const { server, ca } = await secureServer(() => answerWith(200, [], 'ok'), { dns: ['elsewhere.example'], ip: [] });
    expect(await failureOf(ask(through(proxy.url, { ca }), server.url))).toEqual(['transient', 'err_tls_cert_altname_invalid']);
    expect(server.requests).toHaveLength(0);
  });

  test.each([
    ['wants other credentials', 'HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 0\r\n\r\n', 'proxy_credentials'],
    ['forbids it', 'HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n', 'proxy_refused'],
    ['says more than it was asked', 'HTTP/1.1 200 OK\r\n\r\nhello', 'proxy_refused'],
    ['has a head of more than 16 KiB', `HTTP/1.1 200 OK\r\nX: ${'x'.repeat(17 * 1024)}\r\n\r\n`, 'proxy_unreachable'],
    ['hangs up', '', 'proxy_unreachable'],
  ])('that %s is told apart from the server', async (_what, answer, reason) => {
    const proxy = await proxyThat(() => answer);
    expect(await failureOf(ask(through(proxy.url), 'https://login.acme.example'))).toEqual(['transient', reason]);
  });

  test('that wants other credentials for a whole URL is told apart from the server', async () => {
    const proxy = await proxyThat(() => 'HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 0\r\n\r\n');
    expect(await failureOf(ask(through(proxy.url), 'http://login.acme.example'))).toEqual(['transient', 'proxy_credentials']);
    expect(proxy.heads[0]).toMatch(/^POST http:\/\/login\.acme\.example\/token HTTP\/1\.1\r\n/);
    expect(fieldLines(proxy.heads[0] as string, 'host')).toEqual(['login.acme.example']);
  });

  test('that is not there, or says nothing, is given up', async () => {
    const proxy = await startHttpProxy();
    await proxy.close();
    expect(await failureOf(ask(through(proxy.url), 'https://login.acme.example'))).toEqual(['transient', 'proxy_unreachable']);
    const { port, gone } = await silentServer();
    const calls = through(`http://127.0.0.1:${port}`, { connectTimeoutMs: 200 });
    expect(await failureOf(ask(calls, 'https://login.acme.example'))).toEqual(['transient', 'timeout']);
    await gone;
  });
});
