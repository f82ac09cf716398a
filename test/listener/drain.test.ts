/** A listener that drains: what has come, or begun to, before the idle are sent away is answered. */

import { expect, jest, test } from '@jest/globals';
import { CallerConnection } from '../../src/listener/http1/caller-connection.ts';
import { closedAfterEach } from '../helpers/closing.ts';
import { answerOk, startListener } from '../helpers/listener.ts';
import { openRaw } from '../helpers/raw-client.ts';

const closed = closedAfterEach();

const GET = 'GET / HTTP/1.1\r\nHost: localhost\r\n\r\n';

test('L03 a request that came while the event loop was busy is read before its connection counts as idle', async () => {
  const { listener, address } = closed(await startListener((_request, reply) => answerOk(reply)));
  const caller = await openRaw(address);
  caller.write(GET);
  await caller.waitFor(/ok$/);
  const drained = listener.drain(60_000);
  caller.write(GET);
  // Past the moment at which the idle are sent away.
  for (const startedAt = performance.now(); performance.now() < startedAt + 400; );
  expect(await drained).toBe(0);
  await caller.closed;
  expect(caller.text().match(/ok/g)).toHaveLength(2);
});

test('L03 a request whose head has begun is answered when the rest of it comes', async () => {
  const { listener, address } = closed(await startListener((_request, reply) => answerOk(reply)));
  const idle = await openRaw(address);
  const caller = await openRaw(address);
  caller.write(GET.slice(0, 20));
  idle.write(GET);
  await idle.waitFor(/ok$/);
  const drained = listener.drain(60_000);
  await idle.closed;
  caller.write(GET.slice(20));
  await caller.waitFor(/ok$/);
  expect(await drained).toBe(0);
});

test('L03 hundreds of connections that are sent away are looked at some times each, not once for each other', async () => {
  const { listener, address } = closed(await startListener((_request, reply) => answerOk(reply)));
  const callers = await Promise.all(Array.from({ length: 300 }, () => openRaw(address)));
  for (const caller of callers) caller.write(GET);
  for (const caller of callers) await caller.waitFor(/ok$/);
  const looks = jest.spyOn(CallerConnection.prototype, 'inFlight', 'get');
  expect(await listener.drain(60_000)).toBe(0);
  await Promise.all(callers.map((caller) => caller.closed));
  expect(looks.mock.calls.length).toBeLessThan(10 * callers.length);
  looks.mockRestore();
});
