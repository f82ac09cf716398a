/** The writing side of a connection, on real sockets: order, and being full. */

import { once } from 'node:events';
import type { Socket } from 'node:net';
import { Writable } from 'node:stream';
import { expect, test } from '@jest/globals';
import { Outlet } from '../../src/wire/outlet.ts';
import { WriteMemory } from '../../src/wire/write-memory.ts';
import { socketPairs } from '../helpers/socket-pairs.ts';

const sockets = socketPairs();

async function pair(): Promise<{ near: Socket; far: Socket; received: () => string }> {
  const { near, far } = await sockets();
  let text = '';
  far.on('data', (bytes: Buffer) => (text += bytes.toString('latin1')));
  return { near, far, received: () => text };
}

test('keeps the order of what is held, written small and written large', async () => {
  const { near, far, received } = await pair();
  const outlet = new Outlet(near, () => {}, new WriteMemory());
  const large = 'L'.repeat(5_000);
  outlet.hold('held;');
  outlet.hold('more;');
  outlet.bytes(Buffer.from('small;'), '<', '>');
  outlet.hold('held again;');
  outlet.bytes(Buffer.from(large), '<', '>');
  outlet.bytes(Buffer.from(large));
  outlet.text('text;');
  outlet.hold('last');
  await Promise.resolve();
  near.end();
  await once(far, 'end');
  expect(received()).toBe(`held;more;<small;>held again;<${large}>${large}text;last`);
});

test('what is held goes out by itself at the end of the turn', async () => {
  const { near, far } = await pair();
  new Outlet(near, () => {}, new WriteMemory()).hold('head');
  const [bytes] = (await once(far, 'data')) as [Buffer];
  expect(bytes.toString()).toBe('head');
});

test('S02 is full while the other side takes nothing, and tells once when it has room', async () => {
  const { near, far } = await pair();
  let rooms = 0;
  let wake = () => {};
  const onRoom = () => {
    rooms += 1;
    wake();
  };
  const outlet = new Outlet(near, onRoom, new WriteMemory());
  far.pause();
  const bytes = Buffer.alloc(64 * 1024);
  while (!outlet.full) outlet.bytes(bytes, 'x', 'y');
  expect(rooms).toBe(0);
  const room = new Promise<void>((resolve) => (wake = resolve));
  far.resume();
  await room;
  expect([rooms, outlet.full, near.writableLength]).toEqual([1, false, 0]);
});

test('a socket that is gone is written to without harm', async () => {
  const { near } = await pair();
  near.on('error', () => {});
  const outlet = new Outlet(near, () => {}, new WriteMemory());
  outlet.hold('head');
  near.destroy();
  outlet.flush();
  outlet.text('text');
  outlet.bytes(Buffer.alloc(10_000));
  await once(near, 'close');
  expect(near.destroyed).toBe(true);
});

test('S02 what is written while the rest is on its way, and then the end, goes out whole', async () => {
  const { near, far, received } = await pair();
  const errors: Error[] = [];
  near.on('error', (error) => errors.push(error));
  const outlet = new Outlet(near, () => {}, new WriteMemory());
  far.pause();
  const large = 8 * 1024 * 1024;
  // Two writes of the system: the second begins when the first is done, and the third waits behind it.
  outlet.bytes(Buffer.alloc(large, 'a'));
  outlet.bytes(Buffer.alloc(large, 'b'));
  far.resume();
  while (near.writableLength > large) await new Promise((resolve) => setImmediate(resolve));
  far.pause();
  outlet.text('c'.repeat(large));
  near.end();
  far.resume();
  await once(far, 'close');
  expect([received().length, errors]).toEqual([3 * large, []]);
});

test.each(['text', 'bytes'] as const)('tells of room where all that was written is short %s', async (kind) => {
  const { near, far } = await pair();
  const room = Promise.withResolvers<void>();
  const outlet = new Outlet(near, room.resolve, new WriteMemory());
  far.pause();
  const piece = 'x'.repeat(1_000);
  const write = { text: () => outlet.text(piece), bytes: () => outlet.bytes(Buffer.from(piece)) }[kind];
  while (!outlet.full) write();
  far.resume();
  await room.promise;
  expect([outlet.full, near.writableLength]).toEqual([false, 0]);
});

test('tells of room each time that it was full, whatever the pieces were', async () => {
  const { near, far, received } = await pair();
  let wake = () => {};
  const outlet = new Outlet(near, () => wake(), new WriteMemory());
  let sent = 0;
  for (let round = 0; round < 6; round += 1) {
    const room = new Promise<void>((resolve) => (wake = resolve));
    far.pause();
    for (let i = 0; !outlet.full; i += 1) {
      const piece = Buffer.alloc(i % 3 === 0 ? 64 * 1024 : 100, 'a');
      outlet.bytes(piece);
      sent += piece.length;
    }
    outlet.text('x');
    sent += 1;
    far.resume();
    await room;
    expect(outlet.full).toBe(false);
  }
  near.end();
  await once(far, 'end');
  expect(received().length).toBe(sent);
});

test.each([
  ['TLS, where none is taken at once', true],
  ['a plain socket', false],
])('what belongs together is one write over %s, long bytes with what stands before them', async (_what, encrypted) => {
  const writes: string[] = [];
  const take = (chunks: readonly { readonly chunk: Buffer }[], done: () => void) => {
    writes.push(Buffer.concat(chunks.map(({ chunk }) => chunk)).toString());
    if (encrypted) setImmediate(done);
    else done();
  };
  const socket = new Writable({
    write: (chunk: Buffer, _encoding, done) => take([{ chunk }], done),
    writev: take,
  });
  const outlet = new Outlet(Object.assign(socket, encrypted && { encrypted }) as unknown as Socket, () => {}, new WriteMemory());
  const written = async (write: () => void) => {
    write();
    while (socket.writableLength > 0) await new Promise(setImmediate);
    return writes.splice(0);
  };
  expect(await written(() => outlet.text('text'))).toEqual(['text']);
  expect(await written(() => outlet.bytes(Buffer.from('small'), '<', '>'))).toEqual(['<small>']);
  const long = Buffer.alloc(10_000, 'a');
  expect(await written(() => outlet.bytes(long, '<'))).toEqual([`<${long}`]);
  expect(await written(() => outlet.bytes(long, '', '>'))).toEqual([`${long}>`]);
});

test('S02 thousands of short writes that wait share memory, and none is written over', () => {
  const memory = new WriteMemory();
  const waiting = Array.from({ length: 5_000 }, (_, i) => {
    const gathered = memory.gather('<', Buffer.from(String(i)), '>') as Buffer;
    memory.leave();
    return gathered;
  });
  expect(waiting.map((bytes) => bytes.toString())).toEqual(waiting.map((_, i) => `<${i}>`));
  expect(new Set(waiting.map(({ buffer }) => buffer)).size).toBeLessThan(10);
});

test('a short write that was taken at once leaves its memory to the next', () => {
  const memory = new WriteMemory();
  const [one, other] = [memory.gather('', Buffer.from('one'), ''), memory.gather('', Buffer.from('other'), '')];
  expect([other?.buffer, other?.byteOffset]).toEqual([one?.buffer, one?.byteOffset]);
});
