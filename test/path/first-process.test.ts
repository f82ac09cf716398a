/** The broker as the first process of a container, where a signal that nobody handles is lost. */

import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { afterEach, describe, expect, test } from '@jest/globals';

const MAIN = fileURLToPath(new URL('../../src/cli/main.ts', import.meta.url));
/** Of util-linux. */
const UNSHARE = 'unshare';
const NEW_PROCESSES = ['--user', '--map-root-user', '--pid', '--fork', '--kill-child'];

/** Whether this machine lets its users have a numbering of processes of their own. */
function canUnshare(): boolean {
  try {
    execFileSync(UNSHARE, [...NEW_PROCESSES, 'true'], { stdio: 'ignore' });
    return true;
  } catch {
    return false;
  }
}

let outer: ChildProcess | undefined;
afterEach(() => void outer?.kill('SIGKILL'));

const describeWhere = canUnshare() ? describe : describe.skip;

describeWhere('a broker that is PID 1', () => {
  test.each(['config warning', 'ready'])('L05 ends with 0 at SIGTERM, once its log says "%s"', async (message) => {
    const folder = await mkdtemp(join(tmpdir(), 'token-broker-first-'));
    const config = {
      listeners: { local: { address: '127.0.0.1:0', authenticate: ['anonymous'] } },
      routes: { api: { path: '/', callers: ['anonymous'], token: null, upstream: 'http://192.0.2.1', unsafeHttp: true } },
      admin: { address: '127.0.0.1:0' },
    };
    const file = join(folder, 'sidecar.config.json');
    await writeFile(file, JSON.stringify(config));
    const child = spawn(UNSHARE, [...NEW_PROCESSES, process.execPath, MAIN, 'start', '-c', file], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    outer = child;
    const exited = once(child, 'exit');
    for await (const line of createInterface({ input: child.stdout })) {
      if ((JSON.parse(line) as { msg: string }).msg !== message) continue;
      process.kill(Number(await readFile(`/proc/${child.pid}/task/${child.pid}/children`, 'utf8')), 'SIGTERM');
    }
    expect(await exited).toEqual([0, null]);
    await rm(folder, { recursive: true });
  });
});
