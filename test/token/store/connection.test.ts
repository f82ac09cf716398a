/** The connection to one Redis server: made anew when it is lost, at a measured pace, and without a word where nothing was missed. */

import { once } from 'node:events';
import { createServer, type Socket } from 'node:net';
import { describe, expect, test } from '@jest/globals';
import { type Clock, systemClock } from '../../../src/clock.ts';
import { redis as redisSchema } from '../../../src/config/schema/redis.ts';
import { RedisConnection } from '../../../src/token/store/connection.ts';
import { closedAfterEach } from '../../helpers/closing.ts';
import { FakeClock } from '../../helpers/fake-clock.ts';
import { startRedis } from '../../helpers/redis.ts';
import { entryName, openStore } from '../../helpers/shared-store.ts';

const kept = closedAfterEach();

/** A server that is no Redis: what it does with each connection. */
async function serverThat(accept: (socket: Socket) => void) {
  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    sockets.add(socket.on('error', () => undefined).resume());
    accept(socket);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  kept({
    close() {
      server.close();
      for (const socket of sockets) socket.destroy();
    },
  });
  return { server, url: `redis://127.0.0.1:${(server.address() as { port: number }).port}` };
}

const connectTo = (redis: Record<string, unknown>, clock: Clock) =>
  kept(new RedisConnection(redisSchema.parse(redis), clock, () => undefined));

describe('the connection to Redis', () => {
  test('C05 that is lost and made again between two commands is no trouble, and the token is given to the new server', async () => {
    const redis = kept(await startRedis());
    const store = kept(openStore({ ...redis.access, commandTimeout: '5s' }));
    const untilThere = async () => {
      while ((await redis.command('EXISTS', entryName('identity'))) === 0) await new Promise((resolve) => setTimeout(resolve, 20));
    };
    await store.share('token-1');
    await untilThere();
    await redis.restart();
    await untilThere();
    expect(store.events).toEqual([]);
  });

  test('C05 is not too slow where it was the broker itself that was held up, and the answer has been there all the time', async () => {
    const redis = kept(await startRedis());
    const store = kept(openStore({ ...redis.access, commandTimeout: '1s' }));
    await store.obtain('first');
    const found = store.obtain('second');
    // The client of Redis writes at the end of a turn: from the next on the command is on its way.
    for (let turns = 0; turns < 2; turns += 1) await new Promise((resolve) => setImmediate(resolve));
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 1_500);
    await found;
    expect(store.events).toEqual([]);
  });

  test('C06 to a server that ends each at once is made less and less often', async () => {
    const { url } = await serverThat((socket) => socket.destroy());
    const pauses: number[] = [];
    const enough = Promise.withResolvers<void>();
    const hasty: Clock = {
      ...systemClock,
      monotonic: () => 0,
      random: () => 0.5,
      after(ms, action) {
        // For connecting: time stands still.
        if (ms === 2_000) return () => undefined;
        pauses.push(ms);
        if (pauses.length === 8) enough.resolve();
        const timer = setImmediate(action);
        return () => clearImmediate(timer);
      },
    };
    connectTo({ url }, hasty);
    await enough.promise;
    expect(pauses).toEqual([100, 200, 400, 800, 1_600, 3_200, 4_000, 4_000]);
  });

  test('C05 that nobody answers is given up soon enough for the next one to be there in time', async () => {
    const clock = new FakeClock();
    const asked = Promise.withResolvers<Socket>();
    const { url } = await serverThat((socket) => socket.once('data', () => asked.resolve(socket)));
    connectTo({ url, password: { unsafeInline: 'secret' } }, clock);
    const socket = await asked.promise;
    const closed = once(socket, 'close');
    await clock.advance(1_999);
    expect(socket.closed).toBe(false);
    await clock.advance(1);
    await closed;
  });
});
