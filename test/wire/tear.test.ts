/** A connection that breaks off: reset where that can be, and closed in any case. */

import { once } from 'node:events';
import { connect, createServer, type Server, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, expect, test } from '@jest/globals';
import { tear } from '../../src/wire/tear.ts';

let server: Server;
afterEach(() => new Promise((resolve) => server.close(resolve)));

async function connected(where: { port: number } | { path: string }): Promise<{ ours: Socket; theirs: Socket }> {
  server = createServer({ allowHalfOpen: true }).listen(where);
  await once(server, 'listening');
  const address = server.address();
  const ours = typeof address === 'string' ? connect(address) : connect({ port: address?.port as number });
  const [[theirs]] = (await Promise.all([once(server, 'connection'), once(ours, 'connect')])) as [[Socket], unknown];
  ours.on('error', () => undefined);
  return { ours, theirs };
}

test('over TCP it is a reset', async () => {
  const { ours, theirs } = await connected({ port: 0 });
  const failed = once(theirs.resume(), 'error');
  tear(ours);
  expect(await failed).toMatchObject([{ code: 'ECONNRESET' }]);
});

test('a Unix socket, which knows no reset, is closed', async () => {
  const { ours, theirs } = await connected({ path: join(tmpdir(), `tear-${process.pid}.sock`) });
  const ended = once(theirs.resume(), 'end');
  tear(ours);
  expect(await ended).toEqual([]);
  theirs.destroy();
});

test('one whose end is on its way out is closed, where Node would keep it for ever', async () => {
  const { ours, theirs } = await connected({ port: 0 });
  theirs.on('error', () => undefined).resume();
  const closed = Promise.all([once(ours, 'close'), once(theirs, 'end').then(() => theirs.destroy())]);
  ours.end();
  tear(ours);
  expect(await closed).toHaveLength(2);
});
