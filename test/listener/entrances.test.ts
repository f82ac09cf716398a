import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { chmod, mkdtemp, rm, stat, unlink } from 'node:fs/promises';
import { connect, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { Entrances, type Taker, type Wanted } from '../../src/listener/entrances.ts';

let folder: string;
let entrances: Entrances;
const open: { close(): void }[] = [];
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'token-broker-entrances-'));
  entrances = new Entrances();
});
afterEach(async () => {
  for (const each of open.splice(0)) each.close();
  await rm(folder, { recursive: true });
});

class CountingTaker implements Taker {
  count = 0;
  onAccept = (): void => {};

  accept(socket: Socket): void {
    this.count += 1;
    this.onAccept();
    socket.on('error', () => undefined).destroy();
  }
}

function taker(): CountingTaker {
  const made = new CountingTaker();
  open.push({ close: () => entrances.close(made) });
  return made;
}

const path = (name = 'socket') => join(folder, name);
const wanted = (by: Taker, access: { mode?: string } = {}, name = 'socket'): Wanted => ({
  name,
  address: { kind: 'unix', path: path(name) },
  taker: by,
  ...access,
});
const modeOf = async (name?: string) => (await stat(path(name))).mode & 0o777;
const byDefault = 0o777 & ~process.umask();

test('an address takes as many connections as its taker of now', async () => {
  const held: Socket[] = [];
  const holding = (maxConnections: number): Taker => {
    const made = { maxConnections, accept: (socket: Socket) => void held.push(socket.on('error', () => undefined)) };
    open.push({ close: () => entrances.close(made) }, { close: () => held.splice(0).forEach((socket) => void socket.destroy()) });
    return made;
  };
  await entrances.open([wanted(holding(1))]);
  await entrances.open([wanted(holding(2))]);
  const callers = [1, 2].map(() => connect(path()).on('error', () => undefined));
  const closed = Promise.race(callers.map((caller) => once(caller.resume(), 'close')));
  while (held.length < 2 && (await Promise.race([closed, new Promise((resolve) => setImmediate(resolve, 'open'))])) === 'open');
  expect(held).toHaveLength(2);
});

describe('K01 the access of a socket that one taker leaves to another', () => {
  test.each([
    ['another mode', { mode: '0600' }, { mode: '0666' }, 0o666],
    ['no mode any more: that of a start', { mode: '0666' }, {}, byDefault],
    ['a mode for the first time', {}, { mode: '0620' }, 0o620],
  ])('is %s', async (_what, before, after, expected) => {
    await entrances.open([wanted(taker(), before)]);
    await entrances.open([wanted(taker(), after)]);
    expect(await modeOf()).toBe(expected);
  });

  test('goes back to what it was with the third', async () => {
    for (const mode of ['0600', '0666', '0600']) await entrances.open([wanted(taker(), { mode })]);
    expect(await modeOf()).toBe(0o600);
  });

  test('is left alone where the config says the same, whatever somebody else has made of it', async () => {
    await entrances.open([wanted(taker())]);
    await chmod(path(), 0o606);
    await entrances.open([wanted(taker())]);
    expect(await modeOf()).toBe(0o606);
  });

  test('stays where another address cannot be had', async () => {
    const [first, second] = [taker(), taker()];
    await entrances.open([wanted(first, { mode: '0600' })]);
    const nowhere = { name: 'other', address: { kind: 'unix', path: join(folder, 'missing', 'socket') } as const, taker: second };
    await expect(entrances.open([wanted(second, { mode: '0666' }), nowhere])).rejects.toThrow('of listener "other"');
    expect(await modeOf()).toBe(0o600);
    connect(path()).on('error', () => undefined);
    while (first.count === 0) await new Promise((resolve) => setImmediate(resolve));
    expect(second.count).toBe(0);
  });

  test('stays where that of another socket cannot be changed', async () => {
    const first = taker();
    await entrances.open([wanted(first, { mode: '0600' }), wanted(first, { mode: '0600' }, 'other')]);
    await unlink(path('other'));
    const second = taker();
    await expect(entrances.open([wanted(second, { mode: '0666' }), wanted(second, { mode: '0666' }, 'other')])).rejects.toThrow();
    expect(await modeOf()).toBe(0o600);
  });

  test('does not let those who came by the old one, and stood in line, to the new taker', async () => {
    const [before, after] = [taker(), taker()];
    await entrances.open([wanted(before, { mode: '0666' })]);
    for (let count = 0; count < 100; count += 1) connect(path()).on('error', () => undefined);
    await entrances.open([wanted(after, { mode: '0600' })]);
    expect([before.count, after.count]).toEqual([100, 0]);
  });
});

describe('an address that is opened with others', () => {
  /** Connects as soon as there is a socket; gives the connection. */
  async function connectEarly(): Promise<Socket> {
    for (;;) {
      const socket = connect(path());
      const connected = await new Promise<boolean>((resolve) => {
        socket.once('connect', () => resolve(true)).on('error', () => resolve(false));
      });
      if (connected) return socket;
    }
  }
  const others = (by: Taker) => Array.from({ length: 50 }, (_, index) => wanted(by, { mode: '0600' }, `other-${index}`));

  test('leads to its taker once all of them do: what that needs of the one before it is not there earlier', async () => {
    const first = taker();
    const taken = new Promise<boolean>((resolve) => {
      first.onAccept = () => resolve(existsSync(path('other-49')));
    });
    const early = connectEarly();
    await entrances.open([wanted(first), ...others(first)]);
    await early;
    expect(await taken).toBe(true);
  });

  test('closes who has come too early for a taker that never starts', async () => {
    const first = taker();
    const nowhere = { name: 'none', address: { kind: 'unix', path: join(folder, 'missing', 'socket') } as const, taker: first };
    const closed = connectEarly().then((socket) => once(socket.resume(), 'close'));
    await expect(entrances.open([wanted(first), ...others(first), nowhere])).rejects.toThrow('of listener "none"');
    await closed;
    expect(first.count).toBe(0);
  });
});
