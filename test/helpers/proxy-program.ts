/** Somebody else's proxy, where it is installed, on a port of its own. */

import { type ChildProcess, spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { chmod, mkdtemp, rm } from 'node:fs/promises';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { describe } from '@jest/globals';
import { freePort } from './redis.ts';

export interface ProxyProgram {
  readonly port: number;
  close(): Promise<void>;
}

export interface Place {
  /** A folder of its own, which all users may enter: some proxies give up their rights. */
  readonly folder: string;
  /** Where it has to listen. */
  readonly port: number;
}

/** @param prepare writes what it needs and gives its arguments; the result is `undefined` where the program is not installed */
export async function startProxyProgram(
  name: string,
  prepare: (place: Place) => Promise<readonly string[]>,
): Promise<ProxyProgram | undefined> {
  const program = programOf(name);
  if (program === undefined) return undefined;
  const folder = await mkdtemp(join(tmpdir(), `token-broker-${name}-`));
  await chmod(folder, 0o755);
  const port = await freePort();
  const args = await prepare({ folder, port });
  const child = spawn(program, args, { stdio: 'ignore', env: { ...process.env, HOME: folder } });
  const exited = new Promise<void>((resolve) => child.once('exit', () => resolve()));
  await accepting(port, child);
  return {
    port,
    async close() {
      child.kill('SIGTERM');
      await exited;
      await rm(folder, { recursive: true, force: true });
    },
  };
}

/** Where it is installed; `undefined` where it is not. */
export function programOf(name: string): string | undefined {
  const folders = [...(process.env['PATH'] ?? '').split(delimiter), '/usr/sbin', '/usr/local/sbin'];
  return folders.map((folder) => join(folder, name)).find(existsSync);
}

/** `describe`, which says that it leaves out what is not installed. */
export function describeInstalled(name: string): typeof describe | typeof describe.skip {
  if (programOf(name) !== undefined) return describe;
  process.stderr.write(`left out: ${name} is not installed\n`);
  return describe.skip;
}

async function accepting(port: number, child: ChildProcess): Promise<void> {
  while (child.exitCode === null) {
    const socket = connect(port, '127.0.0.1');
    const opened = await new Promise<boolean>((resolve) => socket.once('connect', () => resolve(true)).once('error', () => resolve(false)));
    socket.destroy();
    if (opened) return;
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  throw new Error(`the proxy ended with ${child.exitCode} before it accepted connections`);
}
