/** A proxy under measure: how to find it, and how to start it between the load and the origin. */

import { execFileSync } from 'node:child_process';
import { readFile, writeFile } from 'node:fs/promises';
import type { AddressInfo } from 'node:net';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { ask } from '../load/ask.ts';
import type { Running } from '../processes.ts';
import type { Setting } from '../setting.ts';

export interface Variant {
  readonly scheme: 'http' | 'https';
  readonly accessLog: boolean;
  /** Callers speak HTTP/2 in the clear. */
  readonly http2?: true;
}

export interface Place extends Variant {
  readonly setting: Setting;
  /** Where the proxy has to listen, and where the origin does. */
  readonly port: number;
  readonly originPort: number;
  /** A folder of its own. */
  readonly folder: string;
}

export interface Target {
  readonly name: string;
  /** `undefined` where this machine has no such proxy. */
  readonly version: string | undefined;
  /** Writes what it needs into the folder; returns its command line. */
  readonly prepare: (place: Place) => Promise<readonly string[]>;
}

export interface StartedTarget extends Running {
  readonly port: number;
}

export async function startTarget(target: Target, place: Place): Promise<StartedTarget> {
  const command = await target.prepare(place);
  const running = place.setting.processes.start('proxy', command, join(place.folder, 'output.log'));
  await waitUntilServing(place.port, running);
  return { ...running, port: place.port };
}

/** Some listen before they have their token. Rejects with what the process said when it does not serve within 10 seconds. */
async function waitUntilServing(port: number, running: Running): Promise<void> {
  for (const until = performance.now() + 10_000; performance.now() < until; ) {
    const status = await ask(port, { method: 'GET', size: '1 KiB' }).then(
      (answer) => answer.status,
      () => undefined,
    );
    if (status === 200) return;
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  throw new Error(`it does not serve: ${running.output()}`);
}

/** Fills a committed config: `@NAME@` is replaced by the value of that name. */
export async function fillIn(template: URL, file: string, values: Readonly<Record<string, string | number>>): Promise<void> {
  const text = await readFile(template, 'utf8');
  const filled = text.replaceAll(/@([A-Z_]+)@/g, (_, name: string) => {
    const value = values[name];
    if (value === undefined) throw new Error(`"${template.pathname}" wants "${name}", which nobody gives`);
    return String(value);
  });
  await writeFile(file, filled, { mode: 0o600 });
}

/** What a program says of its version on either stream; `undefined` when it is not there. */
export function versionOf(program: string, args: readonly string[], pattern: RegExp): string | undefined {
  try {
    // Some tell it on stderr.
    const said = execFileSync('sh', ['-c', '"$0" "$@" 2>&1; true', program, ...args], { encoding: 'utf8' });
    return pattern.exec(said)?.[1];
  } catch {
    return undefined;
  }
}

export async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  await new Promise((resolve) => server.close(resolve));
  return port;
}
