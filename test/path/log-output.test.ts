/** The whole broker beside a log that nobody takes: it serves, and it ends when it is told to. */

import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, open, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { keepAlive, request } from '../helpers/http-client.ts';
import { freePort } from '../helpers/redis.ts';
import { answerWith } from '../helpers/scripted-answers.ts';
import { type ScriptedServer, startScriptedServer } from '../helpers/scripted-server.ts';

const MAIN = fileURLToPath(new URL('../../src/cli/main.ts', import.meta.url));

let folder: string;
let origin: ScriptedServer;
let child: ChildProcess | undefined;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'token-broker-log-'));
  origin = await startScriptedServer({ answer: () => answerWith(200, [], 'ok') });
});
afterEach(async () => {
  child?.kill('SIGKILL');
  await Promise.all([origin.close(), rm(folder, { recursive: true })]);
});

/** @param stdout where the log goes */
async function start(stdout: number | 'pipe'): Promise<string> {
  const address = `127.0.0.1:${await freePort()}`;
  const config = {
    listeners: { local: { address, authenticate: ['anonymous'] } },
    routes: { api: { path: '/', callers: ['anonymous'], token: null, upstream: origin.url } },
    admin: { address: '127.0.0.1:0' },
    log: { level: 'trace' },
  };
  const file = join(folder, 'sidecar.config.json');
  await writeFile(file, JSON.stringify(config));
  child = spawn(process.execPath, [MAIN, 'start', '-c', file], { stdio: ['ignore', stdout, 'inherit'] });
  for (;;) {
    const answered = await request(`http://${address}/x`).catch(() => undefined);
    if (answered !== undefined) return `http://${address}`;
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

async function ended(): Promise<unknown> {
  const exited = once(child as ChildProcess, 'exit');
  child?.kill('SIGTERM');
  return (await exited)[0];
}

test('a disk that is full under the log fails no request and ends nothing', async () => {
  const full = await open('/dev/full', 'w');
  const url = await start(full.fd);
  for (let i = 0; i < 20; i += 1) expect((await request(`${url}/x`)).status).toBe(200);
  expect(await ended()).toBe(0);
  await full.close();
});

test('who stops reading the log holds nothing up, and is told later how many lines there were no room for', async () => {
  const url = await start('pipe');
  const agent = keepAlive(8);
  // Each line is some 300 bytes: more than the pipe and what is held for it take.
  await Promise.all(
    Array.from({ length: 8 }, async () => {
      for (let i = 0; i < 1_000; i += 1) expect((await request(`${url}/${'x'.repeat(200)}`, { agent })).status).toBe(200);
    }),
  );
  agent.destroy();
  let text = '';
  child?.stdout?.setEncoding('utf8').on('data', (chunk: string) => (text += chunk));
  while (!text.includes('log lines dropped')) await new Promise((resolve) => setTimeout(resolve, 20));
  expect(await ended()).toBe(0);
  const lines = text
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line) as { msg: string; lines?: number });
  const [taken, dropped] = [
    lines.filter(({ msg }) => msg === 'request').length,
    lines.find(({ msg }) => msg.startsWith('log lines'))?.lines,
  ];
  expect(dropped).toBeGreaterThan(0);
  expect(taken).toBeLessThan(8_000);
});
