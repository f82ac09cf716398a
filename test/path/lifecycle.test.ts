/** From the first bind to the last byte: real processes, real signals. */

import { createServer } from 'node:net';
import { afterEach, describe, expect, test } from '@jest/globals';
import { type BrokerProcess, spawnBroker, startBrokerProcess } from '../helpers/broker-process.ts';
import { keepAlive, request } from '../helpers/http-client.ts';
import { openRaw } from '../helpers/raw-client.ts';
import { answerWith } from '../helpers/scripted-answers.ts';
import { type ScriptedConnection, type ScriptedServer, startScriptedServer } from '../helpers/scripted-server.ts';

const closing: { close(): Promise<void> }[] = [];
afterEach(async () => {
  for (const each of closing.splice(0).reverse()) await each.close();
});

async function start(origin: ScriptedServer, more: Record<string, unknown> = {}): Promise<BrokerProcess> {
  const broker = await startBrokerProcess({
    config: {
      listeners: { local: { address: '127.0.0.1:0', authenticate: ['anonymous'] } },
      routes: { api: { path: '/', callers: ['anonymous'], token: null, upstream: origin.url } },
      probes: { address: '127.0.0.1:0' },
      ...more,
    },
  });
  closing.push(broker);
  return broker;
}

async function scripted(answer: ScriptedServer['answer']): Promise<ScriptedServer> {
  const server = await startScriptedServer({ answer });
  closing.push(server);
  return server;
}

describe('stopping', () => {
  test('L01 SIGTERM with 50 answers half-way: readiness goes, accepting stops, all 50 finish, exit 0', async () => {
    const half: ScriptedConnection[] = [];
    const origin = await scripted((_request, connection) => {
      connection.write('HTTP/1.1 200 OK\r\nContent-Length: 8\r\n\r\nhalf');
      half.push(connection);
      return undefined;
    });
    // The delay keeps the admin listener's word audible: "draining" is said before anything is closed.
    const broker = await start(origin, { shutdown: { delay: '2s' } });
    const clients = await Promise.all(Array.from({ length: 50 }, () => openRaw(broker.address())));
    for (const client of clients) client.write('GET /x HTTP/1.1\r\nHost: localhost\r\n\r\n');
    await Promise.all(clients.map((client) => client.waitFor('half')));
    broker.signal('SIGTERM');
    await broker.logged('draining');
    // Whoever has not heard of it yet is let in for so long, and sent elsewhere for the next request.
    const late = await openRaw(broker.address());
    late.write('GET /x HTTP/1.1\r\nHost: localhost\r\n\r\n');
    expect(await late.waitFor('half')).toMatch(/\r\nConnection: close\r\n/i);
    clients.push(late);
    expect((await fetch(`${broker.url('probes')}/readyz`)).status).toBe(503);
    expect((await fetch(`${broker.url('probes')}/livez`)).status).toBe(200);
    await untilRefused(broker.address());
    for (const connection of half) connection.write('done');
    for (const client of clients) expect(await client.waitFor('halfdone')).toContain('HTTP/1.1 200 OK');
    expect(await broker.exited).toEqual({ code: 0, signal: null });
  });

  test('L02 SIGTERM with only idle kept-alive clients ends the process without waiting for the grace', async () => {
    const origin = await scripted(() => answerWith(200, [], 'ok'));
    const broker = await start(origin, { shutdown: { grace: '10m' } });
    const agent = keepAlive(5);
    await Promise.all(Array.from({ length: 5 }, () => request(`${broker.url()}/x`, { agent })));
    const silent = await openRaw(broker.address());
    broker.signal('SIGTERM');
    // A grace of ten minutes would outlast the test.
    expect(await broker.exited).toEqual({ code: 0, signal: null });
    expect(broker.log().at(-1)).toMatchObject({ msg: 'stopped', cut: 0 });
    await silent.closed;
    agent.destroy();
  });

  test('a log that nobody reads any more keeps no request from its answer, and no process from its end', async () => {
    const broker = await start(await scripted(() => answerWith(200, [], 'ok')), { log: { level: 'trace' } });
    broker.stopReading();
    for (let i = 0; i < 30; i += 1) expect((await request(`${broker.url()}/x`)).status).toBe(200);
    broker.signal('SIGTERM');
    expect(await broker.exited).toEqual({ code: 0, signal: null });
  });

  test('L03 a kept-alive client that sends during the drain is served, with Connection: close', async () => {
    const origin = await scripted(() => answerWith(200, [], 'ok'));
    const broker = await start(origin);
    const client = await openRaw(broker.address());
    const get = 'GET /x HTTP/1.1\r\nHost: localhost\r\n\r\n';
    client.write(get);
    await client.waitFor(/ok$/);
    broker.signal('SIGTERM');
    await broker.logged('draining');
    client.write(get);
    const text = await client.waitFor((soFar) => soFar.split('HTTP/1.1 200').length === 3 && soFar.endsWith('ok'));
    expect(text.split('HTTP/1.1 200')[2]).toMatch(/connection: close/i);
    expect(await client.closed).toBe('fin');
    expect(await broker.exited).toEqual({ code: 0, signal: null });
  });

  test('L01 the process ends when the last answer is complete, long before its grace', async () => {
    let finish: () => void = () => {};
    const origin = await scripted((_request, connection) => {
      connection.write('HTTP/1.1 200 OK\r\nContent-Length: 8\r\n\r\nhalf');
      finish = () => connection.write('done');
      return undefined;
    });
    const broker = await start(origin, { shutdown: { grace: '10m' } });
    const client = await openRaw(broker.address());
    client.write('GET /x HTTP/1.1\r\nHost: localhost\r\n\r\n');
    await client.waitFor('half');
    broker.signal('SIGTERM');
    await broker.logged('draining');
    // Past the moment at which idle connections are closed: this one becomes idle only later.
    await new Promise((resolve) => setTimeout(resolve, 600));
    finish();
    await client.waitFor('halfdone');
    expect(await broker.exited).toEqual({ code: 0, signal: null });
  });

  test('L04 an answer that outlasts the grace is cut, and the exit code says so', async () => {
    const origin = await scripted((_request, connection) => void connection.write('HTTP/1.1 200 OK\r\nContent-Length: 8\r\n\r\nhalf'));
    const broker = await start(origin, { shutdown: { grace: '500ms' } });
    const client = await openRaw(broker.address());
    client.write('GET /x HTTP/1.1\r\nHost: localhost\r\n\r\n');
    await client.waitFor('half');
    broker.signal('SIGTERM');
    expect(await broker.exited).toEqual({ code: 1, signal: null });
    expect(client.text()).toMatch(/half$/);
    expect(await broker.logged('request')).toMatchObject({ status: 200, cut: 'broker' });
  });

  async function quittingInFlight() {
    const half: ScriptedConnection[] = [];
    const origin = await scripted((_request, connection) => {
      connection.write('HTTP/1.1 200 OK\r\nContent-Length: 8\r\n\r\nhalf');
      half.push(connection);
      return undefined;
    });
    const broker = await start(origin, { admin: { address: '127.0.0.1:0' } });
    const client = await openRaw(broker.address());
    client.write('GET /x HTTP/1.1\r\nHost: localhost\r\n\r\n');
    await client.waitFor('half');
    const answer = await request(`${broker.url('admin')}/quit`, { method: 'POST', fields: ['Token-Broker-Admin', '1'] });
    expect(answer.status).toBe(202);
    await broker.logged('draining');
    broker.signal('SIGTERM');
    await broker.logged('signal received');
    return { broker, client, origin: half[0] as ScriptedConnection };
  }

  test('L05 SIGTERM behind POST /quit, as Kubernetes sends it to the sidecar of a Job, lets what is in flight finish', async () => {
    const { broker, client, origin } = await quittingInFlight();
    origin.write('done');
    expect(await client.waitFor('halfdone')).toContain('HTTP/1.1 200 OK');
    expect(await broker.exited).toEqual({ code: 0, signal: null });
  });

  test('L05 another signal behind POST /quit and SIGTERM ends it at once', async () => {
    const { broker } = await quittingInFlight();
    broker.signal('SIGINT');
    await broker.logged('stopping at once');
    expect(await broker.exited).toEqual({ code: 1, signal: null });
  });

  test.each(['SIGTERM', 'SIGINT'] as const)('%s while it starts ends it as soon as it has, with exit 0', async (signal) => {
    const broker = await spawnBroker({
      config: {
        listeners: { local: { address: '127.0.0.1:0', authenticate: ['anonymous'] } },
        routes: { api: { path: '/', callers: ['anonymous'], token: null, upstream: 'http://192.0.2.1', unsafeHttp: true } },
      },
    });
    closing.push(broker);
    // The first line of the log, before anything is bound.
    await broker.logged('config warning');
    broker.signal(signal);
    expect(await broker.exited).toEqual({ code: 0, signal: null });
  });

  test('L05 a second signal ends it at once', async () => {
    const origin = await scripted((_request, connection) => void connection.write('HTTP/1.1 200 OK\r\nContent-Length: 8\r\n\r\nhalf'));
    const broker = await start(origin, { shutdown: { grace: '10m' } });
    const client = await openRaw(broker.address());
    client.write('GET /x HTTP/1.1\r\nHost: localhost\r\n\r\n');
    await client.waitFor('half');
    broker.signal('SIGINT');
    await broker.logged('draining');
    broker.signal('SIGINT');
    expect((await broker.exited).code).toBe(1);
  });
});

describe('running', () => {
  test('L07 a changed file that cannot be used is logged and counted, and the old content stays', async () => {
    const origin = await scripted(() => answerWith(200, [], 'ok'));
    const broker = await startBrokerProcess({
      config: {
        listeners: { local: { address: '127.0.0.1:0', authenticate: ['anonymous'] } },
        routes: {
          api: { path: '/', callers: ['anonymous'], token: null, upstream: origin.url, headers: { 'x-key': { fromFile: 'key' } } },
        },
      },
      files: { key: 'first' },
    });
    closing.push(broker);
    await broker.replace('key', '');
    await broker.logged('a changed file cannot be used: the old content stays');
    expect(await (await fetch(`${broker.url('admin')}/metrics`)).text()).toContain('token_broker_file_reload_failures_total 1');
    await broker.replace('key', 'second');
    const key = async () => {
      await request(`${broker.url()}/x`);
      return origin.requests.at(-1)?.field('x-key')[0];
    };
    expect(['first', 'second']).toContain(await key());
    while ((await key()) !== 'second') await new Promise((resolve) => setTimeout(resolve, 50));
  });
});

describe('starting', () => {
  test('L11 an address in use: exit 1 and one line that says which', async () => {
    const taken = createServer();
    await new Promise<void>((resolve) => taken.listen(0, '127.0.0.1', resolve));
    const { port } = taken.address() as { port: number };
    const broker = await spawnBroker({ config: { listeners: { local: { address: `127.0.0.1:${port}`, authenticate: ['anonymous'] } } } });
    closing.push(broker);
    expect((await broker.exited).code).toBe(1);
    const fatal = broker.log().filter((line) => line['level'] === 'fatal');
    expect(fatal).toHaveLength(1);
    expect(JSON.stringify(fatal[0])).toMatch(/listener \\"local\\" is in use/);
    taken.close();
  });

  test('L11 says so on stderr where the log is silent', async () => {
    const taken = createServer();
    await new Promise<void>((resolve) => taken.listen(0, '127.0.0.1', resolve));
    const { port } = taken.address() as { port: number };
    const listeners = { local: { address: `127.0.0.1:${port}`, authenticate: ['anonymous'] } };
    const broker = await spawnBroker({ config: { listeners, log: { level: 'silent' } } });
    closing.push(broker);
    expect((await broker.exited).code).toBe(1);
    expect([broker.stdout(), broker.stderr()]).toEqual(['', expect.stringMatching(/^cannot start: .*listener \\"local\\" is in use.*\n$/)]);
    taken.close();
  });

  test('L10 an authorization server in trouble never stops a start; readiness follows the policy', async () => {
    const origin = await scripted(() => answerWith(500, []));
    const tokens = {
      orders: {
        authorizationServer: 'as',
        grant: 'client_credentials',
        clientId: 'c',
        clientAuthentication: { secret: { unsafeInline: 'a-secret' } },
      },
    };
    const broker = await start(origin, {
      authorizationServers: { as: { tokenEndpoint: `${origin.url}/token` } },
      tokens,
      readiness: 'tokens',
    });
    await broker.logged('token not granted');
    expect((await fetch(`${broker.url('probes')}/livez`)).status).toBe(200);
    expect((await fetch(`${broker.url('probes')}/readyz`)).status).toBe(200);
    expect(await (await fetch(`${broker.url('probes')}/readyz?verbose`)).text()).toBe('ok\ntoken orders: none\n');
  });

  test.each(['start', 'dev'] as const)(
    '"%s" with a config that cannot be used: exit 2, the problem on stderr, nothing on stdout',
    async (command) => {
      const broker = await spawnBroker({ command, config: '{ "listeners": {} }' });
      closing.push(broker);
      expect((await broker.exited).code).toBe(2);
      expect(broker.stderr()).toMatch(/^sidecar\.config\.json:1:16: "listeners" is empty; define at least one listener\n$/);
      expect(broker.stdout()).toBe('');
    },
  );
});

async function untilRefused(address: string): Promise<void> {
  for (;;) {
    try {
      (await openRaw(address)).socket.destroy();
    } catch {
      return;
    }
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}
