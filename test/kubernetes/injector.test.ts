/** The injector as a process, asked over TLS as an API server does. */

import { Agent } from 'node:https';
import { Readable } from 'node:stream';
import { connect } from 'node:tls';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { systemClock } from '../../src/clock.ts';
import { loadInjectorConfig } from '../../src/config/load-injector.ts';
import { Injector } from '../../src/kubernetes/injector.ts';
import { createLog } from '../../src/telemetry/log.ts';
import { type BrokerProcess, spawnBroker, startBrokerProcess } from '../helpers/broker-process.ts';
import { type Authority, createAuthority } from '../helpers/certificates.ts';
import { type Answer, type RequestOptions, request } from '../helpers/http-client.ts';
import { openRaw, sendRaw } from '../helpers/raw-client.ts';
import { CONTAINER, ORDERS, patched, patchIn, podAsking, reviewOf, VOLUMES } from './reviews.ts';

const SHUTDOWN = { delay: '0s', grace: '20s' };

let authority: Authority;
let injector: BrokerProcess;

beforeAll(async () => {
  authority = await createAuthority();
  injector = await start();
});
afterAll(() => injector.close());

async function start(more: object = {}): Promise<BrokerProcess> {
  const { cert, key } = await authority.issueServer();
  return startBrokerProcess({
    command: 'injector',
    config: '{}',
    files: { 'injector.config.json': configText(more), 'tls.crt': cert, 'tls.key': key },
  });
}

function configText(more: object = {}): string {
  return JSON.stringify({
    webhook: { address: '127.0.0.1:0', tls: { cert: { fromFile: 'tls.crt' }, key: { fromFile: 'tls.key' } } },
    probes: { address: '127.0.0.1:0' },
    sidecars: { orders: ORDERS },
    shutdown: SHUTDOWN,
    ...more,
  });
}

function send(body: string, options: RequestOptions = {}, path = '/pods?timeout=5s', to = injector): Promise<Answer> {
  const fields = { 'Content-Type': 'application/json' };
  return request(`${to.url('webhook', 'https')}${path}`, { body, fields, tls: { ca: authority.certificate }, ...options });
}

const ask = (review: object, options?: RequestOptions, to = injector) => send(JSON.stringify(review), options, undefined, to);

describe('a review', () => {
  test('is answered with its uid and a patch that puts the sidecar in', async () => {
    const pod = podAsking();
    const answer = await ask(reviewOf(pod));
    expect([answer.status, answer.field('content-type')]).toEqual([200, 'application/json']);
    expect(answer.json()).toEqual({
      kind: 'AdmissionReview',
      apiVersion: 'admission.k8s.io/v1',
      response: { uid: '705ab4f5-6393-11e8-b7cc-42010a800002', allowed: true, patchType: 'JSONPatch', patch: expect.any(String) },
    });
    expect(patched(pod, patchIn(answer.json())).spec).toEqual({ ...pod.spec, initContainers: [CONTAINER], volumes: VOLUMES });
  });

  test('is answered in the same way when nothing is to be done in earnest', async () => {
    const answers = await Promise.all([ask(reviewOf(podAsking())), ask(reviewOf(podAsking(), { dryRun: true }))]);
    expect(answers[1]?.json()).toEqual(answers[0]?.json());
  });

  test('of a pod that has the sidecar leaves it as it is', async () => {
    const { response } = (await ask(reviewOf(podAsking(undefined, { initContainers: [CONTAINER] })))).json() as { response: object };
    expect(response).toEqual({ uid: expect.any(String), allowed: true });
  });

  test('of a pod that may not have what it asks for is a denial that says the way out', async () => {
    const { response } = (await ask(reviewOf(podAsking(), { namespace: 'elsewhere' }))).json() as { response: object };
    expect(response).toEqual({
      uid: expect.any(String),
      allowed: false,
      status: {
        status: 'Failure',
        code: 403,
        reason: 'Forbidden',
        message: expect.stringContaining('"elsewhere" may have no sidecar; have it'),
      },
    });
  });

  test('of a pod that shares its processes has a warning', async () => {
    const { response } = (await ask(reviewOf(podAsking(undefined, { shareProcessNamespace: true })))).json() as {
      response: { warnings: string[] };
    };
    expect(response.warnings.filter((warning) => warning.length <= 120)).toHaveLength(1);
  });

  test('is told to the log and the metrics, by names alone', async () => {
    await ask(reviewOf(podAsking({ secret: 'hunter2' }, { containers: [{ name: 'web', env: [{ name: 'P', value: 'hunter2' }] }] })));
    const line = await injector.logged('sidecar injected');
    expect(line).toMatchObject({ level: 'info', namespace: 'shop', pod: 'web-6d4cf56db6-*', sidecar: 'orders' });
    expect(await injector.logged('pod refused')).toMatchObject({ level: 'warn', namespace: 'elsewhere', reason: expect.any(String) });
    expect(await injector.logged('pod left alone')).toMatchObject({ level: 'info', reason: expect.any(String) });
    const metrics = (await request(`${injector.url('probes')}/metrics`)).text();
    expect(metrics).toMatch(/^token_broker_pods_total\{outcome="injected",sidecar="orders"\} [1-9]/m);
    expect(metrics).toMatch(/^token_broker_pods_total\{outcome="refused",sidecar=""\} [1-9]/m);
    const ofCertificate = metrics.match(/^token_broker_certificate_\w+\{certificate="webhook.tls.cert"\} [\d.e+]+$/gm) ?? [];
    const kind = (line: string) => line.slice('token_broker_certificate_'.length, line.indexOf('{'));
    expect(ofCertificate.map(kind)).toEqual(['not_before_seconds', 'ending_seconds', 'not_after_seconds']);
    expect(injector.stdout()).not.toContain('hunter2');
  });
});

describe('what is no review', () => {
  const valid = reviewOf(podAsking());
  const { object } = valid.request;

  test.each([
    ['no JSON', '{'],
    ['null', 'null'],
    ['a list', '[]'],
    ['deep nesting', '['.repeat(100_000)],
    ['another version', { ...valid, apiVersion: 'admission.k8s.io/v1beta1' }],
    ['another kind', { ...valid, kind: 'Pod' }],
    ['no request', { ...valid, request: null }],
    ['no uid', reviewOf(object, { uid: '' })],
    ['an update', reviewOf(object, { operation: 'UPDATE' })],
    ['a part of a pod', reviewOf(object, { subResource: 'ephemeralcontainers' })],
    ['another resource', reviewOf(object, { kind: { group: 'apps', version: 'v1', kind: 'Deployment' } })],
    ['a namespace that cannot be one', reviewOf(object, { namespace: 'x'.repeat(64) })],
    ['no pod', reviewOf(null)],
    ['a pod without a spec', reviewOf({ metadata: {} })],
    ['containers that are no list', reviewOf({ metadata: {}, spec: { containers: {} } })],
    ['a container that is none', reviewOf({ metadata: {}, spec: { containers: [7] } })],
    ['annotations that are no texts', reviewOf({ metadata: { annotations: { a: 1 } }, spec: { containers: [] } })],
  ])('is refused with 400: %s', async (_name, body) => {
    const answer = await send(typeof body === 'string' ? body : JSON.stringify(body));
    expect([answer.status, answer.field('content-type')]).toEqual([400, 'text/plain; charset=utf-8']);
  });

  test.each([
    ['another path', 404, '/', {}],
    ['a path below', 404, '/pods/x', {}],
    ['another method', 405, '/pods', { method: 'PUT' }],
    ['another type', 415, '/pods', { fields: { 'Content-Type': 'text/plain' } }],
    ['an unknown length', 411, '/pods', { body: Readable.from(['{}']) }],
  ])('is refused: %s, with %i', async (_name, status, path, options) => {
    const answer = await send('{}', options, path);
    expect([answer.status, answer.field('connection')]).toEqual([status, 'close']);
  });

  test('is refused with 413 before it has come, where it is more than an object can have', async () => {
    const head = `POST /pods HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\nContent-Length: ${4 * 1024 ** 2 + 1}\r\n\r\n`;
    const { text, closed } = await sendRaw(injector.address('webhook'), head, { tls: { ca: authority.certificate } });
    expect([text.split('\r\n')[0], closed]).toEqual(['HTTP/1.1 413 Payload Too Large', 'fin']);
  });

  test('is answered also at the limit', async () => {
    expect((await send(JSON.stringify(valid).padEnd(4 * 1024 ** 2))).status).toBe(200);
  });
});

test('who speaks no TLS to the webhook is told of once, and each of his connections counted', async () => {
  for (let count = 0; count < 3; count += 1) await sendRaw(injector.address('webhook'), 'GET / HTTP/1.1\r\n\r\n');
  const metrics = (await request(`${injector.url('probes')}/metrics`)).text();
  expect(metrics).toContain('token_broker_connections_refused_total{listener="webhook",reason="handshake"} 3\n');
  expect(injector.log().filter(({ msg }) => msg === 'handshake of a caller failed')).toHaveLength(1);
});

describe('reviews that are held unfinished', () => {
  test('take 16 MiB of memory at most: the longest is broken off, and no other is held up', async () => {
    const size = 4 * 1024 ** 2;
    const head = `POST /pods HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\nContent-Length: ${size}\r\n\r\n`;
    const connections = await Promise.all(
      [1, 2, 3, 4, 5].map(() => openRaw(injector.address('webhook'), { tls: { ca: authority.certificate } })),
    );
    let ended = 0;
    const endings = connections.map(({ closed }) =>
      closed.then(() => {
        ended += 1;
      }),
    );
    for (const connection of connections) connection.write(head + ' '.repeat(size - 10_000));
    await Promise.race(endings);
    for (let count = 0; count < 5; count += 1) expect((await ask(reviewOf(podAsking()))).status).toBe(200);
    expect(ended).toBe(1);
    for (const connection of connections) connection.socket.destroy();
  });
});

describe('the certificate of the injector', () => {
  test('is one that the API server can verify, over TLS 1.2 or later', async () => {
    const [host, port] = injector.address('webhook').split(':');
    const options = { host, port: Number(port), servername: 'localhost', ca: authority.certificate };
    const outcomeOf = (more: object) =>
      new Promise((resolve) => {
        const socket = connect({ ...options, ...more }, () => {
          resolve(socket.getProtocol());
          socket.destroy();
        }).on('error', ({ code }: NodeJS.ErrnoException) => resolve(code));
      });
    expect(await outcomeOf({ maxVersion: 'TLSv1.2' })).toBe('TLSv1.2');
    expect(await outcomeOf({})).toBe('TLSv1.3');
    expect(await outcomeOf({ minVersion: 'TLSv1.1', maxVersion: 'TLSv1.1', ciphers: 'ALL@SECLEVEL=0' })).toMatch(/^E/);
    await injector.logged(
      'handshake of a caller failed',
      ({ listener, reason }) => listener === 'webhook' && reason === 'unsupported_protocol',
    );
    expect(await outcomeOf({ ca: (await createAuthority('Another')).certificate })).toMatch(/UNABLE_TO|SELF_SIGNED|DEPTH/);
  });

  test('is told of when it is to be renewed', async () => {
    const { cert, key } = await authority.issueServer({ validity: 'expired' });
    const files = { 'injector.config.json': configText(), 'tls.crt': cert, 'tls.key': key };
    const own = await startBrokerProcess({ command: 'injector', config: '{}', files });
    try {
      expect(await own.logged('config warning')).toMatchObject({
        at: expect.stringContaining('"webhook.tls.cert" ended at '),
      });
    } finally {
      await own.close();
    }
  });

  test('follows its files, and stays while they cannot be used', async () => {
    const own = await start();
    try {
      const next = await createAuthority('Next Root');
      const { cert, key } = await next.issueServer();
      await own.replace('tls.crt', 'nonsense');
      await own.logged('a changed file cannot be used: the old content stays');
      expect((await ask(reviewOf(podAsking()), {}, own)).status).toBe(200);
      await own.replace('tls.key', key);
      await own.logged('changed TLS files cannot be used: the old ones stay', ({ listener }) => listener === 'webhook');
      expect((await request(`${own.url('probes')}/metrics`)).text()).toMatch(/^token_broker_file_reload_failures_total 2$/m);
      await own.replace('tls.crt', cert);
      await own.logged('certificate taken over');
      expect((await ask(reviewOf(podAsking()), { tls: { ca: next.certificate } }, own)).status).toBe(200);
    } finally {
      await own.close();
    }
  });
});

describe('an injector that is told to stop', () => {
  test('answers what is under way, is not ready any more, and exits with 0', async () => {
    const own = await start({ shutdown: { delay: '2s', grace: '20s' } });
    const agent = new Agent({ keepAlive: true });
    try {
      const body = JSON.stringify(reviewOf(podAsking()));
      const raw = await openRaw(own.address('webhook'), { tls: { ca: authority.certificate } });
      raw.write(
        `POST /pods HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: ${body.length}\r\n\r\n${body.slice(0, 9)}`,
      );
      // Another one on its own connection is answered after this one was taken in.
      await ask(reviewOf(podAsking()), {}, own);
      own.signal('SIGTERM');
      await own.logged('draining');
      expect((await ask(reviewOf(podAsking()), { agent }, own)).field('connection')).toBe('close');
      expect((await request(`${own.url('probes')}/readyz`)).status).toBe(503);
      expect((await request(`${own.url('probes')}/livez`)).status).toBe(200);
      raw.write(body.slice(9));
      await raw.closed;
      const answer = raw.text();
      expect(answer).toMatch(/^HTTP\/1.1 200 /);
      expect(answer).toMatch(/^connection: close\r$/im);
      expect(await own.exited).toEqual({ code: 0, signal: null });
      expect(own.log().at(-1)).toMatchObject({ msg: 'stopped', cut: 0 });
    } finally {
      agent.destroy();
      await own.close();
    }
  });

  test('while it starts stops once it has', async () => {
    const lines: string[] = [];
    const log = createLog('info', { write: (line) => void lines.push((JSON.parse(line) as { msg: string }).msg) });
    const loaded = await loadInjectorConfig(`${injector.directory}/injector.config.json`, {}, systemClock);
    const own = new Injector({ loaded, log, clock: systemClock });
    const [, cut] = await Promise.all([own.start(), own.drain()]);
    expect([cut, lines]).toEqual([0, ['listening', 'listening', 'ready', 'draining', 'stopped']]);
  });

  test('does not wait for connections that ask for nothing', async () => {
    const own = await start();
    const agent = new Agent({ keepAlive: true });
    try {
      await ask(reviewOf(podAsking()), { agent }, own);
      own.signal('SIGTERM');
      expect(await own.exited).toEqual({ code: 0, signal: null });
    } finally {
      agent.destroy();
      await own.close();
    }
  });
});

describe('the config of the injector', () => {
  test('has all of its problems told at once, with their places', async () => {
    const broken = `{
  "webhook": { "tls": { "cert": { "fromFile": "tls.crt" } } },
  "sidecars": {
    "orders": {
      "namespaces": ["shop-*"],
      "container": { "name": "token-broker" },
      "volume": []
    }
  }
}`;
    const failed = await spawnBroker({ command: 'injector', config: '{}', files: { 'injector.config.json': broken } });
    try {
      expect(await failed.exited).toEqual({ code: 2, signal: null });
      expect(failed.stderr().split('\n')).toEqual([
        expect.stringMatching(/^injector.config.json:2:23: "webhook.tls.key" is missing; /),
        expect.stringMatching(/^injector.config.json:5:22: "sidecars.orders.namespaces\[0\]" is not the name of a namespace; /),
        expect.stringMatching(/^injector.config.json:6:20: "sidecars.orders.container.restartPolicy" is missing; give "Always"$/),
        expect.stringMatching(/^injector.config.json:7:7: "sidecars.orders.volume" is not a known key; did you mean "volumes"\?$/),
        '',
      ]);
    } finally {
      await failed.close();
    }
  });

  test('that cannot be bound ends it with 1', async () => {
    const { cert, key } = await authority.issueServer();
    const config = JSON.parse(configText());
    config.webhook.address = injector.address('webhook');
    const files = { 'injector.config.json': JSON.stringify(config), 'tls.crt': cert, 'tls.key': key };
    const failed = await spawnBroker({ command: 'injector', config: '{}', files });
    try {
      expect(await failed.exited).toEqual({ code: 1, signal: null });
      expect(failed.log()).toContainEqual(expect.objectContaining({ level: 'fatal', msg: 'cannot start' }));
    } finally {
      await failed.close();
    }
  });
});
