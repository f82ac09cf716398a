import { afterEach, describe, expect, test } from '@jest/globals';
import { sharedAuthority } from './certificates.ts';
import { keepAlive, request } from './http-client.ts';
import { openRaw, sendRaw } from './raw-client.ts';
import { answerWith, cutShort, hang, hangUp, inTurn, reset, tokenAnswer, trickle } from './scripted-answers.ts';
import { type ScriptedServer, type ScriptedServerOptions, startScriptedServer } from './scripted-server.ts';

const OK = answerWith(200, [], 'ok');
const servers: ScriptedServer[] = [];

async function start(options: Partial<ScriptedServerOptions> = {}): Promise<ScriptedServer> {
  const server = await startScriptedServer({ answer: () => OK, ...options });
  servers.push(server);
  return server;
}

afterEach(async () => {
  for (const server of servers.splice(0)) await server.close();
});

describe('the scripted server', () => {
  test('keeps the bytes of each request and answers on the same connection', async () => {
    const server = await start();
    const client = await openRaw(server);
    client.write('POST /a HTTP/1.1\r\nHost: x\r\ncontent-LENGTH: 3\r\n\r\nab');
    client.write('c');
    await client.waitFor('ok');
    client.write('POST /b HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n2;x=y\r\nab\r\n1\r\nc\r\n0\r\nT: 1\r\n\r\n');
    await server.untilRequests(2);
    client.end();
    await client.closed;
    const [first, second] = server.requests;
    expect(first).toMatchObject({ method: 'POST', target: '/a', count: 1, connectionId: 1, pipelined: false });
    expect(first?.head).toBe('POST /a HTTP/1.1\r\nHost: x\r\ncontent-LENGTH: 3\r\n\r\n');
    expect(first?.field('Content-Length')).toEqual(['3']);
    expect(first?.body.toString()).toBe('abc');
    expect(second).toMatchObject({ target: '/b', count: 2, connectionId: 1, pipelined: false, trailers: 'T: 1\r\n' });
    expect(second?.body.toString()).toBe('abc');
    expect(second?.raw.toString()).toContain('2;x=y\r\nab\r\n1\r\nc\r\n0\r\nT: 1\r\n\r\n');
    expect(server.received().length).toBe((first?.raw.length ?? 0) + (second?.raw.length ?? 0));
    expect(server.leftovers).toEqual([]);
  });

  test('notices a second request that came in before the first was answered', async () => {
    const server = await start();
    const answers = await sendRaw(server, 'GET /a HTTP/1.1\r\n\r\nGET /b HTTP/1.1\r\n\r\n', { until: /ok.*ok/s });
    expect(answers.closed).toBe('open');
    expect(server.requests.map(({ target, pipelined }) => [target, pipelined])).toEqual([
      ['/a', false],
      ['/b', true],
    ]);
  });

  test('keeps what never became a whole message', async () => {
    const server = await start();
    await sendRaw(server, 'POST / HTTP/1.1\r\nContent-Length: 9\r\n\r\nab', { end: true });
    await server.until(() => server.openConnections() === 0);
    expect(server.requests).toEqual([]);
    expect(server.leftovers).toMatchObject([{ connectionId: 1, kind: 'cut' }]);
    expect(server.leftovers[0]?.bytes.toString()).toMatch(/ab$/);
  });

  test.each([
    ['POST / HTTP/1.1\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n', 'more than one length'],
    ['POST / HTTP/1.1\r\nTransfer-Encoding: gzip\r\n\r\n', 'a transfer coding other than chunked'],
    ['POST / HTTP/1.1\r\nContent-Length: +1\r\n\r\n', 'a length that is no number'],
    ['POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n0x1\r\n', 'a malformed chunk size'],
    ['POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nab\r\n', 'a chunk longer than its size'],
  ])('does not guess at %j', async (bytes, problem) => {
    const server = await start();
    const client = await openRaw(server);
    client.write(bytes);
    await server.until(() => server.leftovers.length > 0);
    expect(server.leftovers).toMatchObject([{ kind: 'broken', problem }]);
    client.end();
  });

  test('shows the head before the body is there', async () => {
    const server = await start({ onHead: (head) => (head.includes('Expect') ? 'HTTP/1.1 100 Continue\r\n\r\n' : undefined) });
    const client = await openRaw(server);
    client.write('POST / HTTP/1.1\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n');
    await client.waitFor('100 Continue');
    client.write('ab');
    await client.waitFor('200 Scripted');
    expect(await client.waitFor('ok')).toMatch(/^HTTP\/1\.1 100 Continue\r\n\r\nHTTP\/1\.1 200 /);
    client.end();
  });

  test('answers in turn, the last answer for all that follow', async () => {
    const server = await start({ answer: inTurn(answerWith(500, []), tokenAnswer({ expires_in: undefined })) });
    const agent = keepAlive();
    expect((await request(server.url, { agent })).status).toBe(500);
    for (let i = 0; i < 2; i++) {
      expect((await request(server.url, { agent })).json()).toEqual({ access_token: 'scripted-access-token', token_type: 'Bearer' });
    }
    agent.destroy();
    expect(server.requests.map(({ connectionId }) => connectionId)).toEqual([1, 1, 1]);
  });

  test('can hang, reset, hang up, cut short and trickle', async () => {
    const server = await start({ answer: hang });
    const get = 'GET / HTTP/1.1\r\n\r\n';
    const hanging = await openRaw(server);
    hanging.write(get);
    await server.untilRequests(1);
    expect(hanging.text()).toBe('');
    hanging.reset();
    expect(await server.connections[0]?.closed).toBe('reset');
    server.answer = reset;
    expect(await sendRaw(server, get)).toEqual({ text: '', closed: 'reset' });
    server.answer = hangUp;
    expect(await sendRaw(server, get)).toEqual({ text: '', closed: 'fin' });
    server.answer = cutShort('HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nabc');
    expect(await request(server.url)).toMatchObject({ status: 200, complete: false });
    server.answer = cutShort('HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nabc', 'reset');
    expect((await sendRaw(server, get)).closed).toBe('reset');
    server.answer = trickle('HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\n', 'abc', 1);
    expect((await request(server.url)).text()).toBe('abc');
  });

  test('tells on close what a script threw', async () => {
    const server = await startScriptedServer({
      answer: () => {
        throw new Error('a mistake in the test');
      },
    });
    const client = await openRaw(server);
    client.write('GET / HTTP/1.1\r\n\r\n');
    await server.untilRequests(1);
    await expect(server.close()).rejects.toMatchObject({ cause: { message: 'a mistake in the test' } });
  });

  test('speaks TLS and shows which client certificate it got', async () => {
    const authority = await sharedAuthority();
    const [identity, client] = [await authority.issueServer(), await authority.issueClient({ uri: ['spiffe://acme.example/x'] })];
    const names: string[] = [];
    const server = await start({
      tls: { cert: identity.cert, key: identity.key, ca: authority.certificate, requestCert: true, rejectUnauthorized: true },
      onConnection: ({ socket }) => names.push((socket as import('node:tls').TLSSocket).getPeerCertificate().subjectaltname ?? ''),
    });
    const tls = { ca: authority.certificate, cert: client.cert, key: client.key };
    expect((await request(server.url, { tls })).status).toBe(200);
    expect(names).toEqual(['URI:spiffe://acme.example/x']);
    const bare = sendRaw(server, 'GET / HTTP/1.1\r\n\r\n', { tls: { ca: authority.certificate } });
    // TLS 1.3 tells a client of its missing certificate only after the handshake.
    expect(await bare.then(({ text }) => text).catch(() => '')).toBe('');
    expect(server.requests.length).toBe(1);
  });
});
