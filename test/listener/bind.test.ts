import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { lstatSync, unlinkSync } from 'node:fs';
import { mkdtemp, rm, stat, writeFile } from 'node:fs/promises';
import { connect, createServer, type Server, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { SocketOwner } from '../../src/config/socket-owner.ts';
import { bind } from '../../src/listener/bind.ts';

let folder: string;
const closing: (() => unknown)[] = [];
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'token-broker-bind-'));
});
afterEach(async () => {
  for (const close of closing.splice(0).reverse()) await close();
  await rm(folder, { recursive: true });
});

function server(): Server {
  const created = createServer((socket) => socket.on('error', () => undefined).end('ours'));
  closing.push(() => created.close());
  return created;
}

/** Another process that listens there. */
async function startOther(path: string) {
  const program = `require('node:net').createServer((socket) => socket.on('error', () => {}).end('theirs')).listen(${JSON.stringify(path)}, () => console.log('listening'))`;
  const other = spawn(process.execPath, ['-e', program], { stdio: ['ignore', 'pipe', 'inherit'] });
  const exited = once(other, 'exit');
  const kill = async () => {
    other.kill('SIGKILL');
    await exited;
  };
  closing.push(kill);
  await once(other.stdout, 'data');
  return { stop: () => other.kill('SIGSTOP'), cont: () => other.kill('SIGCONT'), kill };
}

function open(path: string): Socket {
  const socket = connect(path).on('error', () => undefined);
  closing.push(() => socket.destroy());
  return socket;
}

/** As many connections as wait for a process that takes none; resolves when the next is refused, to the first. */
async function fillLine(path: string): Promise<Socket> {
  const first = open(path);
  for (let full = false; !full; ) {
    const socket = open(path);
    full = await new Promise<boolean>((resolve) => socket.once('connect', () => resolve(false)).once('error', () => resolve(true)));
  }
  return first;
}

async function whose(socket: Socket): Promise<string> {
  const [said] = (await once(socket, 'data')) as [Buffer];
  return said.toString();
}

describe('a Unix socket', () => {
  test('left by a crash is replaced', async () => {
    const path = join(folder, 'socket');
    await (await startOther(path)).kill();
    expect(await bind(server(), { kind: 'unix', path })).toBe(`unix:${path}`);
    expect(await whose(open(path))).toBe('ours');
  });

  test('of a process that is alive stays its own', async () => {
    const path = join(folder, 'socket');
    await startOther(path);
    await expect(bind(server(), { kind: 'unix', path })).rejects.toMatchObject({ code: 'EADDRINUSE' });
    expect(await whose(open(path))).toBe('theirs');
  });

  test('of a process that is too busy to take another connection stays its own', async () => {
    const path = join(folder, 'socket');
    const other = await startOther(path);
    other.stop();
    const waiting = await fillLine(path);
    await expect(bind(server(), { kind: 'unix', path })).rejects.toMatchObject({ code: 'EADDRINUSE' });
    other.cont();
    expect(await whose(waiting)).toBe('theirs');
  });

  describe('with an access of its own', () => {
    const me = `${process.getuid?.()}:${process.getgid?.()}`;
    const ownerOf = (text: string) => {
      const owner = new SocketOwner(text);
      owner.resolve({ uid: Number(owner.user), gid: Number(owner.group) });
      return owner;
    };

    /** Looks at the socket in the moment in which it comes into being. */
    async function bound(access: { readonly mode?: string; readonly owner?: SocketOwner }, look: (path: string) => void) {
      const path = join(folder, 'socket');
      const ours = server();
      const listen = ours.listen.bind(ours) as (...args: unknown[]) => Server;
      ours.listen = (...args: unknown[]) => {
        const listening = listen(...args);
        look(path);
        return listening;
      };
      await bind(ours, { kind: 'unix', path }, access).catch((error: unknown) => {
        expect(ours.listening).toBe(false);
        throw error;
      });
      return stat(path);
    }

    test.each([
      ['a mode', { mode: '0666' }, 0o666],
      ['an owner', { owner: ownerOf(me) }, 0o660],
      ['both', { owner: ownerOf(me), mode: '0620' }, 0o620],
    ])('is open to nobody else before it has %s, and other files are made as ever', async (_what, access, expected) => {
      const before: number[] = [];
      const { mode, uid, gid } = await bound(access, (path) => before.push(lstatSync(path).mode & 0o777));
      expect([before, mode & 0o777, `${uid}:${gid}`]).toEqual([[0o600], expected, me]);
      await writeFile(join(folder, 'file'), '');
      expect((await stat(join(folder, 'file'))).mode & 0o777).toBe(0o666 & ~process.umask());
    });

    test('is closed again where it cannot have it', async () => {
      await expect(bound({ mode: '0666' }, unlinkSync)).rejects.toMatchObject({ code: 'ENOENT' });
    });
  });
});
