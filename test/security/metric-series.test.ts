/**
 * The attack: a caller asks for ever new paths, by ever new methods, as ever new users, and with ever new hosts. Were any of these a label, each
 * would cost memory for ever, here and in whatever scrapes the metrics.
 */

import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { PASSWORD_HASH } from '../config/fixture.ts';
import { type Scene, startScene } from '../helpers/broker.ts';
import { openRaw } from '../helpers/raw-client.ts';
import { scaled } from '../helpers/scale.ts';

let scene: Scene;
beforeAll(async () => {
  scene = await startScene({
    route: { methods: ['GET'], callers: ['anonymous', 'billing'] },
    config: {
      log: { level: 'warn' },
      listeners: {
        local: { address: '127.0.0.1:0', authenticate: ['anonymous'], limits: { maxHeader: '1KiB' } },
        basic: { address: '127.0.0.1:0', authenticate: ['basic'] },
      },
      callers: { billing: { basic: { passwordHash: PASSWORD_HASH } } },
    },
  });
});
afterAll(() => scene.close());

/** On one connection: sent together, answered one after the other. */
const TOGETHER = 100;

type Head = (index: number) => string;

const basic = (user: string) => `Authorization: Basic ${Buffer.from(`${user}:x`).toString('base64')}`;

/** Each head of its own. */
const KINDS: readonly { readonly listener: string; readonly head: Head }[] = [
  { listener: 'local', head: (i) => `GET /path${i}?q=${i} HTTP/1.1\r\nHost: localhost\r\n` },
  { listener: 'local', head: (i) => `GET /api/${i} HTTP/1.1\r\nHost: localhost\r\n` },
  { listener: 'local', head: (i) => `M-${i} /api HTTP/1.1\r\nHost: localhost\r\nX-Request-Id: id${i}\r\n` },
  { listener: 'local', head: (i) => `GET http://h${i}.localhost/ HTTP/1.1\r\nHost: h${i}.localhost\r\n` },
  { listener: 'basic', head: (i) => `GET /api HTTP/1.1\r\nHost: localhost\r\n${basic(`user${i}`)}\r\n` },
];

/** Requests with the numbers from `first` on, for all kinds at the same time; resolves to how many were answered. */
async function flood(first: number, count: number): Promise<number> {
  const answered = await Promise.all(
    KINDS.map(async ({ listener, head }) => {
      let sum = 0;
      for (let at = 0; at < count / KINDS.length; at += TOGETHER) {
        const heads = Array.from({ length: TOGETHER }, (_, index) => `${head(first + at + index)}\r\n`);
        const raw = await openRaw(scene.address(listener));
        raw.write(heads.join(''));
        const text = await raw.waitFor((soFar) => answersIn(soFar) === TOGETHER);
        raw.socket.destroy();
        sum += answersIn(text);
      }
      return sum;
    }),
  );
  return answered.reduce((sum, each) => sum + each, 0);
}

const answersIn = (text: string) => text.split('HTTP/1.1 ').length - 1;

/** Names and labels, without values. */
async function series(): Promise<string[]> {
  const lines = (await scene.metrics()).split('\n').filter((line) => line.startsWith('token_broker_'));
  return lines.map((line) => line.slice(0, line.lastIndexOf(' '))).sort();
}

test(`X07 ${scaled(20_000, 100_000)} distinct paths, methods, users, hosts and request ids make no metric series of their own`, async () => {
  const [first, rest] = [scaled(2_000, 10_000), scaled(18_000, 90_000)];
  expect(await flood(0, first)).toBe(first);
  const before = await series();
  expect(await flood(first, rest)).toBe(rest);
  expect(await series()).toEqual(before);
  expect(before.some((each) => /path\d|M-\d|user\d|h\d+\.localhost|id\d/.test(each))).toBe(false);
}, 600_000);
