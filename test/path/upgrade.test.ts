/** A change of the protocol: only where the route says so, only after the upstream's 101, and then bytes go both ways until both sides have ended. */

import { createHash, randomBytes } from 'node:crypto';
import { createServer, type Server, type Socket } from 'node:net';
import { createServer as createTlsServer, getCACertificates, setDefaultCACertificates } from 'node:tls';
import { afterEach, describe, expect, test } from '@jest/globals';
import { type Scene, type SceneOptions, startScene } from '../helpers/broker.ts';
import { createAuthority } from '../helpers/certificates.ts';
import { keepAlive, request } from '../helpers/http-client.ts';
import { fieldLines } from '../helpers/message-framing.ts';
import { openRaw, type RawConnection } from '../helpers/raw-client.ts';
import { scaled } from '../helpers/scale.ts';
import { answerWith, inTurn } from '../helpers/scripted-answers.ts';
import type { Script, ScriptedConnection } from '../helpers/scripted-server.ts';
import { acceptWebSocket, echoFrames } from '../helpers/websocket.ts';

const closing: { close(): unknown }[] = [];
let scene: Scene;
afterEach(async () => {
  await scene.close();
  for (const each of closing.splice(0)) await each.close();
});

const ASK = 'GET /api/x HTTP/1.1\r\nHost: localhost\r\nConnection: keep-alive, Upgrade\r\nUpgrade: echo/1, echo/2\r\n\r\n';
const AGREED = 'HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: echo/1\r\n\r\n';

async function start(answer: Script | string, more: SceneOptions = {}): Promise<Scene> {
  const origin: Script = typeof answer === 'string' ? () => answer : answer;
  scene = await startScene({ ...more, origin, route: { upgrade: true, ...more.route } });
  return scene;
}

/** A tunnel that is open, with the upstream's end of it. */
async function openTunnel(more: SceneOptions = {}): Promise<{ caller: RawConnection; upstream: ScriptedConnection }> {
  await start(AGREED, more);
  const caller = await openRaw(scene.address());
  caller.write(ASK);
  await caller.waitFor('\r\n\r\n');
  return { caller, upstream: scene.origin.connections[0] as ScriptedConnection };
}

/** An upstream with allowHalfOpen, which `handle` gets after its 101. */
async function startOrigin(handle: (socket: Socket, head: string) => void, tls?: { cert: string; key: string }): Promise<number> {
  const accept = (socket: Socket) => {
    socket.on('error', () => {});
    socket.once('data', (head: Buffer) => handle(socket, head.toString('latin1')));
  };
  const server: Server = tls ? createTlsServer({ ...tls, allowHalfOpen: true }, accept) : createServer({ allowHalfOpen: true }, accept);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const sockets = new Set<Socket>();
  server.on('connection', (socket: Socket) => sockets.add(socket));
  closing.push({
    close: () =>
      new Promise((resolve) => {
        server.close(resolve);
        for (const socket of sockets) socket.destroy();
      }),
  });
  return (server.address() as { port: number }).port;
}

describe('the handshake', () => {
  test('S10 passes on nothing hop-by-hop but the upgrade that was asked for, and the token once', async () => {
    const { caller } = await openTunnel();
    const { head } = scene.origin.requests[0] as { head: string };
    expect(fieldLines(head, 'connection')).toEqual(['Upgrade']);
    expect(fieldLines(head, 'upgrade')).toEqual(['echo/1, echo/2']);
    expect(fieldLines(head, 'authorization')).toEqual(['Bearer scripted-access-token']);
    expect(caller.text()).toMatch(/^HTTP\/1\.1 101 Switching Protocols\r\n/);
    expect(fieldLines(caller.text(), 'connection')).toEqual(['Upgrade']);
    expect(fieldLines(caller.text(), 'upgrade')).toEqual(['echo/1']);
    expect(fieldLines(caller.text(), 'transfer-encoding')).toEqual([]);
    caller.write('in the tunnel');
    await scene.origin.until((server) => server.received().includes('in the tunnel'));
    expect(scene.origin.received().toString().split('scripted-access-token')).toHaveLength(2);
    caller.reset();
  });

  test('S10 strips the upgrade where the route has none, and the request goes as an ordinary one', async () => {
    await start(answerWith(200, [], 'plain'), { route: { upgrade: false } });
    const caller = await openRaw(scene.address());
    caller.write(ASK);
    expect(await caller.waitFor('plain')).toMatch(/^HTTP\/1\.1 200 /);
    const { head } = scene.origin.requests[0] as { head: string };
    expect([fieldLines(head, 'connection'), fieldLines(head, 'upgrade')]).toEqual([[], []]);
    caller.write('GET /api/next HTTP/1.1\r\nHost: localhost\r\n\r\n');
    expect((await scene.origin.untilRequests(2))[1]?.target).toBe('/next');
    caller.reset();
  });

  test.each([
    ['it is not named in Connection', 'Upgrade: echo/1\r\n', '1.1', ''],
    ['it is asked for in HTTP/1.0', 'Connection: Upgrade\r\nUpgrade: echo/1\r\n', '1.0', ''],
    ['the request has a body', 'Connection: Upgrade\r\nUpgrade: echo/1\r\nContent-Length: 4\r\n', '1.1', 'body'],
  ])('S10 ignores the upgrade when %s', async (_when, fields, version, body) => {
    await start(answerWith(200, [], 'plain'));
    const caller = await openRaw(scene.address());
    caller.write(`POST /api/x HTTP/${version}\r\nHost: localhost\r\n${fields}\r\n${body}`);
    await caller.waitFor('plain');
    expect(fieldLines((scene.origin.requests[0] as { head: string }).head, 'upgrade')).toEqual([]);
    caller.reset();
  });

  test.each([
    ['nobody asked', 'GET /api/x HTTP/1.1\r\nHost: localhost\r\n\r\n', AGREED],
    ['another protocol was asked for', ASK, AGREED.replace('echo/1', 'echo/3')],
    ['it names no protocol', ASK, AGREED.replace('Upgrade: echo/1\r\n', '')],
    ['it adds a protocol', ASK, AGREED.replace('echo/1', 'echo/1, echo/3')],
    ['it has a length', ASK, AGREED.replace('\r\n\r\n', '\r\nContent-Length: 5\r\n\r\n')],
    ['it has a transfer coding', ASK, AGREED.replace('\r\n\r\n', '\r\nTransfer-Encoding: chunked\r\n\r\n')],
  ])('S10 a 101 is 502 when %s, and the connection to the upstream is dropped', async (_when, ask, answer) => {
    await start(`${answer}smuggled`);
    const caller = await openRaw(scene.address());
    caller.write(ask);
    const text = await caller.waitFor('"requestId"');
    expect(text).toMatch(/^HTTP\/1\.1 502 /);
    expect(text).toContain('UPSTREAM_INVALID_RESPONSE');
    expect(text).not.toContain('smuggled');
    await scene.origin.until((server) => server.openConnections() === 0);
    caller.reset();
  });

  test('S10 any other answer is an ordinary one, and both connections are kept', async () => {
    await start(inTurn(answerWith(403, [], 'no'), answerWith(200, [], 'yes')));
    const agent = keepAlive();
    const asked = await request(`${scene.url()}/api/x`, { agent, fields: ['Connection', 'Upgrade', 'Upgrade', 'echo/1'] });
    expect([asked.status, asked.text(), asked.field('upgrade')]).toEqual([403, 'no', undefined]);
    expect((await request(`${scene.url()}/api/x`, { agent })).text()).toBe('yes');
    expect(scene.origin.connections).toHaveLength(1);
    agent.destroy();
  });

  test('S10 a refused token is renewed and the handshake is sent once more', async () => {
    await start(inTurn(answerWith(401, []), AGREED), { token: inTurn(...['first', 'second'].map(tokenNamed)) });
    const caller = await openRaw(scene.address());
    caller.write(ASK);
    expect(await caller.waitFor('\r\n\r\n')).toMatch(/^HTTP\/1\.1 101 /);
    expect(scene.origin.requests.map((each) => each.field('authorization'))).toEqual([['Bearer first'], ['Bearer second']]);
    expect(scene.origin.requests.map((each) => each.field('upgrade'))).toEqual([['echo/1, echo/2'], ['echo/1, echo/2']]);
    caller.reset();
  });

  test('CVE-2026-2833 what the caller says before the 101 waits for it, and is bounded', async () => {
    let agree: (text: string) => void = () => {};
    await start(() => new Promise<string>((resolve) => (agree = resolve)));
    const caller = await openRaw(scene.address());
    const early = 'GET /admin HTTP/1.1\r\nHost: localhost\r\n\r\n';
    caller.write(ASK + early);
    await scene.origin.untilRequests(1);
    expect(scene.origin.received().includes('/admin')).toBe(false);
    // More than all buffers on the way hold: it is not read, so it cannot all be taken from the client.
    const flood = Buffer.alloc(64 * 1024 * 1024);
    caller.write(flood);
    await new Promise((resolve) => setImmediate(resolve));
    expect(caller.socket.writableLength).toBeGreaterThan(0);
    agree(AGREED);
    await scene.origin.until((server) => server.received().includes('/admin'));
    expect(scene.origin.requests[0]?.target).toBe('/x');
    caller.reset();
  });

  test('CVE-2026-2833 what the caller said early is not read as a request when there is no 101', async () => {
    await start(answerWith(200, [], 'plain'));
    const caller = await openRaw(scene.address());
    caller.write(`${ASK}GET /api/admin HTTP/1.1\r\nHost: localhost\r\n\r\n`);
    expect(await caller.waitFor('plain')).toMatch(/connection: close/);
    expect(await caller.closed).toBe('fin');
    expect(scene.origin.requests.map((each) => each.target)).toEqual(['/x']);
  });
});

function tokenNamed(name: string): string {
  return answerWith(
    200,
    ['Content-Type: application/json'],
    JSON.stringify({ access_token: name, token_type: 'Bearer', expires_in: 3600 }),
  );
}

describe('the tunnel', () => {
  test('S10 bytes that come with the 101 are the first of the tunnel', async () => {
    await start(`${AGREED}hello`);
    const caller = await openRaw(scene.address());
    caller.write(ASK);
    expect(await caller.waitFor('hello')).toMatch(/\r\n\r\nhello$/);
    caller.reset();
  });

  test('S10 the caller ends its side first: the upstream hears it and still speaks', async () => {
    const heard: string[] = [];
    const port = await startOrigin((socket) => {
      socket.write(AGREED);
      socket.on('data', (bytes: Buffer) => heard.push(bytes.toString()));
      socket.on('end', () => socket.end(`heard ${heard.join('')}`));
    });
    await start('', { route: { upstream: `http://127.0.0.1:${port}` } });
    const caller = await openRaw(scene.address());
    caller.socket.allowHalfOpen = true;
    caller.write(ASK);
    await caller.waitFor('\r\n\r\n');
    caller.write('last words');
    caller.end();
    await caller.waitFor('heard last words');
    expect(await caller.closed).toBe('fin');
    expect(await scene.logged('request')).toMatchObject({ status: 101 });
    expect(scene.log.find((line) => line['msg'] === 'request')).not.toHaveProperty('cut');
  });

  test('S10 the upstream ends its side first: the caller hears it and still speaks', async () => {
    const heard = Promise.withResolvers<string>();
    const port = await startOrigin((socket) => {
      socket.end(AGREED);
      let text = '';
      socket.on('data', (bytes: Buffer) => (text += bytes.toString()));
      socket.on('end', () => heard.resolve(text));
    });
    await start('', { route: { upstream: `http://127.0.0.1:${port}` } });
    const caller = await openRaw(scene.address());
    caller.socket.allowHalfOpen = true;
    const ended = new Promise((resolve) => caller.socket.once('end', resolve));
    caller.write(ASK);
    await ended;
    caller.write('one more');
    caller.end();
    expect(await heard.promise).toBe('one more');
    expect(await caller.closed).toBe('fin');
  });

  test('S10 a caller that resets: the upstream sees a reset, not an end', async () => {
    const { caller, upstream } = await openTunnel();
    caller.write('half a mess');
    await scene.origin.until((server) => server.received().includes('half a mess'));
    caller.reset();
    expect(await upstream.closed).toBe('reset');
    expect(await scene.logged('request')).toMatchObject({ status: 101, cut: 'caller' });
  });

  test('S10 an upstream that resets: the caller sees a reset, not an end', async () => {
    const { caller, upstream } = await openTunnel();
    upstream.reset();
    expect(await caller.closed).toBe('reset');
    expect(await scene.logged('request')).toMatchObject({ status: 101, cut: 'upstream' });
    expect(await scene.metrics()).toMatch(/^token_broker_requests_total\{.*status="101",code=""\} 1$/m);
  });

  test('S10 a tunnel in which nobody speaks is cut', async () => {
    const { caller, upstream } = await openTunnel({ route: { timeouts: { idle: '200ms' } } });
    expect(await caller.closed).toBe('reset');
    expect(await upstream.closed).toBe('reset');
  });

  test('S10 either side that speaks keeps the tunnel open', async () => {
    const { caller, upstream } = await openTunnel({ route: { timeouts: { idle: '1s' } } });
    for (let i = 0; i < 6; i += 1) {
      await new Promise((resolve) => setTimeout(resolve, 250));
      if (i % 2 === 0) caller.write(`c${i}`);
      else upstream.write(`u${i}`);
    }
    expect(await caller.waitFor('u5')).toMatch(/u1u3u5$/);
    await scene.origin.until((server) => server.received().includes('c0c2c4'));
    caller.reset();
  });

  test('S10 counts as in flight while draining, and is cut when the grace is over', async () => {
    const { caller, upstream } = await openTunnel({ config: { shutdown: { grace: '500ms' } } });
    const drained = scene.broker.drain();
    await scene.logged('draining');
    caller.write('still here');
    await scene.origin.until((server) => server.received().includes('still here'));
    upstream.write('me too');
    await caller.waitFor('me too');
    expect(await drained).toBe(1);
    await caller.closed;
    expect(await scene.logged('request')).toMatchObject({ status: 101, cut: 'broker' });
  });

  test('S10 a side that takes nothing holds the other back', async () => {
    const port = await startOrigin((socket) => {
      socket.pause();
      socket.write(AGREED);
    });
    await start('', { route: { upstream: `http://127.0.0.1:${port}`, timeouts: { idle: '1s' } } });
    const caller = await openRaw(scene.address());
    caller.write(ASK);
    await caller.waitFor('\r\n\r\n');
    const before = process.memoryUsage().rss;
    const chunk = Buffer.alloc(1024 * 1024);
    for (let i = 0; i < 64; i += 1) caller.socket.write(chunk);
    // Silence follows once all buffers are full: then the idle limit cuts it.
    await caller.closed;
    expect(process.memoryUsage().rss - before).toBeLessThan(200 * 1024 * 1024);
  });

  test.each([
    ['plain', false],
    ['TLS', true],
  ])('S10 a WebSocket over %s carries messages both ways, and closes from the client', async (_over, secure) => {
    const { client, codes } = await openWebSocket(secure);
    const size = scaled(8, 100) * 1024 * 1024;
    const sent = createHash('sha256');
    const received = createHash('sha256');
    let bytes = 0;
    const all = new Promise<void>((resolve) => {
      client.addEventListener('message', (event) => {
        received.update(Buffer.from(event.data as ArrayBuffer));
        bytes += (event.data as ArrayBuffer).byteLength;
        if (bytes === size) resolve();
      });
    });
    const message = randomBytes(1024 * 1024);
    for (let at = 0; at < size; at += message.length) {
      message.writeUInt32BE(at, 0);
      sent.update(message);
      client.send(new Uint8Array(message));
    }
    await all;
    expect(received.digest('hex')).toBe(sent.digest('hex'));
    const closed = new Promise<{ code: number; wasClean: boolean }>((resolve) => client.addEventListener('close', resolve));
    client.close(4321, 'done');
    expect(await closed).toMatchObject({ code: 4321, wasClean: true });
    expect(codes).toEqual([4321]);
  });

  async function openWebSocket(secure: boolean): Promise<{ client: WebSocket; codes: number[] }> {
    const codes: number[] = [];
    const authority = await createAuthority();
    const identity = await authority.issueServer();
    const port = await startOrigin(
      (socket, head) => {
        socket.write(acceptWebSocket(head));
        echoFrames(socket, (code) => codes.push(code));
      },
      secure ? identity : undefined,
    );
    const files = { 'ca.pem': authority.certificate, 'cert.pem': identity.cert, 'key.pem': identity.key };
    const tls = { cert: { fromFile: 'cert.pem' }, key: { fromFile: 'key.pem' } };
    const listener = { address: '127.0.0.1:0', authenticate: ['anonymous'], ...(secure ? { tls } : {}) };
    await start('', {
      files,
      config: { listeners: { local: listener } },
      route: {
        upstream: `${secure ? 'https' : 'http'}://127.0.0.1:${port}`,
        ...(secure ? { upstreamTls: { ca: { fromFile: 'ca.pem' }, serverName: 'localhost' } } : {}),
      },
    });
    // The platform's WebSocket asks for no authority of its own.
    const trusted = getCACertificates();
    setDefaultCACertificates([...trusted, authority.certificate]);
    closing.push({ close: () => setDefaultCACertificates(trusted) });
    const client = new WebSocket(`${scene.url().replace(/^http/, 'ws')}/api/x`);
    client.binaryType = 'arraybuffer';
    await new Promise((resolve, reject) => {
      client.addEventListener('open', resolve);
      client.addEventListener('error', () => reject(new Error('no WebSocket')));
    });
    return { client, codes };
  }
});
