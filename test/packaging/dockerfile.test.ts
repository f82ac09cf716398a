import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { createInterface } from 'node:readline';
import { text } from 'node:stream/consumers';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { parseDockerfile } from '../../scripts/parse-dockerfile.ts';
import { execInImage, type Image, inside, removeImage, replayDockerfile, startImage } from '../../scripts/replay-dockerfile.ts';
import { V8_OPTIONS } from '../../scripts/v8-options.mjs';
import { hashPassword } from '../../src/password-hash.ts';
import { request } from '../helpers/http-client.ts';
import { freePort } from '../helpers/redis.ts';

const CONFIG = {
  listeners: { local: { address: '127.0.0.1:0', authenticate: ['basic'] } },
  callers: { billing: { basic: { passwordHash: await hashPassword('right') } } },
  admin: { address: `127.0.0.1:${await freePort()}` },
  probes: { address: '127.0.0.1:0' },
};

// npm fetches what the image is built with.
const BUILD_TIMEOUT_MS = 300_000;

let image: Image;
let broker: ChildProcess;
const addresses: Record<string, string> = {};

beforeAll(async () => {
  image = await replayDockerfile();
  writeConfig(image.stage.command.at(-1) ?? '');
  broker = startImage(image);
  for await (const line of createInterface({ input: broker.stdout as NodeJS.ReadableStream })) {
    const entry = JSON.parse(line);
    if (entry.msg === 'listening') addresses[entry.listener] = entry.address;
    if (entry.msg === 'ready') break;
  }
}, BUILD_TIMEOUT_MS);

afterAll(async () => {
  broker?.kill('SIGKILL');
  if (image !== undefined) await removeImage(image);
});

function writeConfig(path: string): void {
  const file = inside(image, path);
  mkdirSync(dirname(file), { recursive: true });
  writeFileSync(file, JSON.stringify(CONFIG));
}

test('holds nothing but Node, the bundle, its licenses and the package that says what it is', () => {
  expect(readdirSync(inside(image, '/')).sort()).toEqual(['app', 'etc', 'usr']);
  expect(readdirSync(inside(image, '/app')).sort()).toEqual(['THIRD-PARTY-LICENSES.txt', 'package.json', 'token-broker.js']);
  expect(JSON.parse(readFileSync(inside(image, '/app/package.json'), 'utf8'))).toMatchObject({ type: 'module' });
});

test('runs the bundle in its first process, with the options of Node that its first line names', () => {
  const [node, ...args] = readFileSync(`/proc/${broker.pid}/cmdline`, 'utf8').split('\0');
  expect([node, ...args.slice(0, V8_OPTIONS.length)]).toEqual(['node', ...V8_OPTIONS]);
  expect(readFileSync(new URL('../../Dockerfile', import.meta.url), 'utf8')).not.toContain(V8_OPTIONS[0]);
});

test('a command in it, as by "kubectl exec", finds the broker by the config that is mounted', async () => {
  const status = execInImage(image, ['token-broker', 'status']);
  const [said, [code]] = await Promise.all([text(status.stdout as NodeJS.ReadableStream), once(status, 'exit')]);
  expect(code).toBe(0);
  expect(said).toMatch(/^token-broker \d+\.\d+\.\d+, ready, /);
});

test('starts with nothing but a config, and answers the probes', async () => {
  const answer = await fetch(`http://${addresses['probes']}/livez`);
  expect(answer.status).toBe(200);
  expect((await fetch(`http://${addresses['probes']}/readyz`)).status).toBe(200);
});

test('its user is a number other than root, and the process runs as that user', () => {
  expect(image.stage.user).toMatch(/^[1-9]\d*:[1-9]\d*$/);
  const expected = process.getuid?.() === 0 ? image.stage.user?.split(':')[0] : String(process.getuid?.());
  const [, uid] = /^Uid:\s+(\d+)/m.exec(readFileSync(`/proc/${broker.pid}/status`, 'utf8')) ?? [];
  expect(uid).toBe(expected);
});

test('gives the memory of password hashes back', async () => {
  const residentMiB = () => Number(/^VmRSS:\s+(\d+)/m.exec(readFileSync(`/proc/${broker.pid}/status`, 'utf8'))?.[1]) / 1024;
  const before = residentMiB();
  for (let i = 0; i < 20; i += 1) {
    const answer = await request(`http://${addresses['local']}/`, { user: `billing:wrong-${i}` });
    expect(answer.status).toBe(401);
  }
  // One hash takes 19 MiB; what is kept of twenty was more than 100.
  expect(residentMiB() - before).toBeLessThan(40);
});

test('stops on SIGTERM with exit code 0', async () => {
  const exited = once(broker, 'exit');
  broker.kill('SIGTERM');
  expect(await exited).toEqual([0, null]);
});

test('an instruction that the replay does not know is an error, not left out', () => {
  expect(() => parseDockerfile('FROM node:24\nHEALTHCHECK CMD true')).toThrow('HEALTHCHECK');
  expect(() => parseDockerfile('FROM node:24\nCOPY --chown=1 a b')).toThrow('only --from is known');
  expect(() => parseDockerfile('FROM node:24\nENTRYPOINT node app.js')).toThrow();
});
