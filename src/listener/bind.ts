/** Binding a server to an address, and saying where it ended up. */

import { chmodSync, lchownSync, lstatSync } from 'node:fs';
import { chmod, lchown, lstat, unlink } from 'node:fs/promises';
import { connect, type Server } from 'node:net';
import type { Address } from '../config/schema/values.ts';
import type { SocketOwner } from '../config/socket-owner.ts';

/** Who may connect to a Unix socket. */
export interface SocketAccess {
  /** In octal. */
  readonly mode?: string | undefined;
  readonly owner?: SocketOwner | undefined;
}

/** Bound addresses as text are `127.0.0.1:8080`, `[::1]:8080`, `unix:/path`. Rejects with Node's error. */
export async function bind(server: Server, address: Address, access: SocketAccess = {}): Promise<string> {
  if (address.kind === 'unix') await removeStaleSocket(address.path);
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    const done = () => {
      server.off('error', reject);
      resolve();
    };
    if (address.kind === 'unix')
      withUmask(modeOf(access) === undefined ? undefined : NOBODY_ELSE, () => server.listen({ path: address.path }, done));
    else server.listen({ host: address.host, port: address.port }, done);
  });
  try {
    if (address.kind === 'unix') await setAccess(address.path, access);
  } catch (error) {
    server.close();
    throw error;
  }
  return boundAddress(server);
}

/** A socket that is in use, with nobody's way in. */
export interface AccessChange {
  /** To those for whom it is from now on. */
  open(): void;
  /** As it was. */
  undo(): void;
}

export function isSameAccess(a: SocketAccess, b: SocketAccess): boolean {
  return modeOf(a) === modeOf(b) && isSameOwner(a, b);
}

function isSameOwner({ owner: a }: SocketAccess, { owner: b }: SocketAccess): boolean {
  return a?.uid === b?.uid && a?.gid === b?.gid;
}

/** Closes a socket for the time in which its access changes. What is left out is as at a start. Throws Node's error, and then nothing has changed. */
export function changeAccess(path: string, before: SocketAccess, access: SocketAccess): AccessChange {
  const { uid, gid, mode } = lstatSync(path);
  const undo = () => {
    lchownSync(path, uid, gid);
    chmodSync(path, mode & 0o777);
  };
  try {
    chmodSync(path, 0);
    if (!isSameOwner(before, access)) lchownSync(path, idOr(process.geteuid, access.owner?.uid), idOr(process.getegid, access.owner?.gid));
  } catch (error) {
    undo();
    throw error;
  }
  return { open: () => chmodSync(path, Number.parseInt(modeOf(access) ?? (0o777 & ~process.umask()).toString(8), 8)), undo };
}

/** That of this process where none is asked for. */
function idOr(own: (() => number) | undefined, asked = -1): number {
  return asked < 0 && own !== undefined ? own() : asked;
}

/** The owner first: what a mode opens is then open to that owner's group, not to ours. */
async function setAccess(path: string, access: SocketAccess): Promise<void> {
  const { owner } = access;
  if (owner !== undefined) await lchown(path, owner.uid, owner.gid);
  const mode = modeOf(access);
  if (mode !== undefined) await chmod(path, Number.parseInt(mode, 8));
}

function modeOf({ mode, owner }: SocketAccess): string | undefined {
  return mode ?? (owner && '0660');
}

/** Until a socket has the access that was asked for, nobody else may connect. */
const NOBODY_ELSE = 0o177;

/** The umask is that of the whole process: `action` binds before it returns. */
function withUmask(umask: number | undefined, action: () => void): void {
  if (umask === undefined) return action();
  const before = process.umask(umask);
  try {
    action();
  } finally {
    process.umask(before);
  }
}

function boundAddress(server: Server): string {
  const bound = server.address();
  if (bound === null) return '';
  if (typeof bound === 'string') return `unix:${bound}`;
  return bound.family === 'IPv6' ? `[${bound.address}]:${bound.port}` : `${bound.address}:${bound.port}`;
}

/** A socket file that refuses connections was left by a crash. Whoever is too busy for one is alive, and anything else is not ours to remove. */
async function removeStaleSocket(path: string): Promise<void> {
  const found = await lstat(path).catch(() => undefined);
  if (!found?.isSocket()) return;
  const probe = connect(path);
  const refused = await new Promise<boolean>((resolve) => {
    probe
      .once('connect', () => resolve(false))
      .once('error', ({ code }: NodeJS.ErrnoException) => resolve(code === 'ECONNREFUSED'))
      .setTimeout(1_000, () => resolve(false));
  });
  probe.destroy();
  if (refused) await unlink(path);
}
