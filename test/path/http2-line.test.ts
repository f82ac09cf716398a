/** The line before the connections to an upstream of HTTP/2, and how long anything of it may take. */

import { once } from 'node:events';
import { expect, test } from '@jest/globals';
import type { BrokerStatus } from '../../src/admin/status.ts';
import { type Scene, type SceneOptions, startScene } from '../helpers/broker.ts';
import { closedAfterEach } from '../helpers/closing.ts';
import { request } from '../helpers/http-client.ts';
import { type Handle, type Http2Origin, routeTo, startHttp2Origin } from '../helpers/http2-origin.ts';
import { openRaw, sendRaw } from '../helpers/raw-client.ts';

const closed = closedAfterEach();

const HEAD = 'GET /api/x HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n';

const ok: Handle = (stream) => {
  stream.respond({ ':status': 200 });
  stream.end('ok');
};

interface Started {
  readonly scene: Scene;
  readonly origin: Http2Origin;
}

async function start(handle: Handle, route: SceneOptions['route'], settings = {}): Promise<Started> {
  const origin = closed(await startHttp2Origin(handle, { settings }));
  const scene = closed(await startScene({ files: origin.files, route: { ...routeTo(origin), ...route } }));
  return { scene, origin };
}

/** One connection, on which the first request takes all the room there is until `release` is called. */
async function startFull(route: SceneOptions['route'] = {}) {
  const held: (() => void)[] = [];
  const handle: Handle = (stream, ...more) => void (held.length === 0 ? held.push(() => ok(stream, ...more)) : ok(stream, ...more));
  const started = await start(handle, { pool: { maxConnections: 1 }, ...route }, { maxConcurrentStreams: 1 });
  const first = get(started);
  while (held.length === 0) await new Promise((resolve) => setImmediate(resolve));
  return { ...started, first, release: () => held[0]?.() };
}

const get = ({ scene }: Pick<Started, 'scene'>) => request(`${scene.url()}/api/x`);

async function queued({ scene }: Started): Promise<number | undefined> {
  return ((await request(`${scene.url('admin')}/status`)).json() as BrokerStatus).upstreams[0]?.queued;
}

async function untilQueued(started: Started, count: number): Promise<void> {
  while ((await queued(started)) !== count) await new Promise((resolve) => setImmediate(resolve));
}

test('who waits in line for longer than connecting may take is refused, and nothing is sent', async () => {
  const started = await startFull({ timeouts: { connect: '500ms' } });
  const late = await get(started);
  expect([late.status, late.json()]).toEqual([503, expect.objectContaining({ code: 'BROKER_OVERLOADED' })]);
  started.release();
  expect((await started.first).text()).toBe('ok');
  expect(started.origin.heads).toHaveLength(1);
});

test('who leaves the line is not sent for, and its place is free', async () => {
  const started = await startFull();
  const leaving = await openRaw(started.scene.address());
  leaving.write(HEAD);
  await untilQueued(started, 1);
  leaving.socket.destroy();
  await untilQueued(started, 0);
  started.release();
  expect((await started.first).text()).toBe('ok');
  expect((await get(started)).text()).toBe('ok');
  expect(started.origin.heads).toHaveLength(2);
});

test('a connection that nobody uses is closed after its time', async () => {
  const started = await start(ok, { pool: { idleTimeout: '200ms' } });
  expect((await get(started)).text()).toBe('ok');
  const [session] = started.origin.sessions;
  if (session?.destroyed === false) await once(session, 'close');
  expect((await get(started)).text()).toBe('ok');
  expect(started.origin.sessions).toHaveLength(2);
});

test('an upstream that falls silent on a connection that is kept is 504, and the next request goes on another one', async () => {
  let asked = 0;
  const second: Handle = (stream, ...more) => (++asked === 2 ? undefined : ok(stream, ...more));
  const started = await start(second, { timeouts: { response: '500ms' } });
  const statuses = [await get(started), await get(started), await get(started)].map(({ status }) => status);
  expect([statuses, started.origin.sessions.length]).toEqual([[200, 504, 200], 2]);
});

test.each([
  [20, '200 OK'],
  [21, '502 Bad Gateway'],
])('%i interim answers, and then %s', async (count, final) => {
  const started = await start((stream, ...more) => {
    for (let sent = 0; sent < count; sent += 1) stream.additionalHeaders({ ':status': 103, link: '</a>' });
    ok(stream, ...more);
  }, {});
  const { text } = await sendRaw(started.scene.address(), HEAD);
  expect([text.match(/^HTTP\/1\.1 103 /gm)?.length, /^HTTP\/1\.1 (?!103)(.*)\r$/m.exec(text)?.[1]]).toEqual([20, final]);
});
