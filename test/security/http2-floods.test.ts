/**
 * The attack: one connection of HTTP/2 that costs its sender little and us much (rapid reset, header bombs, control frames, windows that never
 * open). Each is ended or bounded, nobody else notices, and hardly anything reaches the upstream.
 */

import { constants } from 'node:http2';
import { describe, expect, test } from '@jest/globals';
import { type Scene, type SceneOptions, startScene } from '../helpers/broker.ts';
import { closedAfterEach } from '../helpers/closing.ts';
import { codeOf, data, FrameCaller, Http2Caller, plain, request, reset } from '../helpers/http2-client.ts';
import { code, FRAME, frame, literalFields } from '../helpers/http2-frames.ts';
import { answerWith, tokenAnswer } from '../helpers/scripted-answers.ts';

const closed = closedAfterEach();

async function start(limits: Record<string, unknown> = {}, options: SceneOptions = {}): Promise<Scene> {
  const local = { address: '127.0.0.1:0', authenticate: ['anonymous'], protocols: ['h2c'], limits };
  const scene = closed(await startScene({ ...options, config: { listeners: { local } } }));
  return scene;
}

/** Runs the attack until its connection ends, with somebody else on another one all the time; gives the codes of its GOAWAY. */
async function attack(scene: Scene, run: (caller: FrameCaller) => unknown): Promise<number[]> {
  const other = closed(new Http2Caller(scene.url()));
  expect((await other.ask()).status).toBe(200);
  const attacker = await FrameCaller.open(scene.address());
  await attacker.settle();
  await Promise.race([run(attacker), attacker.raw.closed]);
  await attacker.raw.closed;
  expect((await other.ask()).status).toBe(200);
  return attacker.frames.filter(({ type }) => type === FRAME.goaway).map(codeOf);
}

const many = (count: number, make: (index: number) => Uint8Array) => Buffer.concat(Array.from({ length: count }, (_, i) => make(i)));
const post = (stream: number) => request(stream, plain('/api/x', 'POST'), { ended: false });

/** Each in one write: nobody waits for anything. */
const floods: [string, Buffer][] = [
  [
    'opens and resets 10,000 streams (CVE-2023-44487)',
    many(10_000, (i) => Buffer.concat([request(2 * i + 1, plain()), reset(2 * i + 1, 8)])),
  ],
  [
    'has us reset 10,000 streams by a window of nothing (CVE-2025-8671)',
    many(10_000, (i) => Buffer.concat([post(2 * i + 1), frame(FRAME.windowUpdate, 0, 2 * i + 1, code(0))])),
  ],
  [
    'has us reset 10,000 streams by a window past the largest (CVE-2025-8671)',
    many(10_000, (i) => Buffer.concat([post(2 * i + 1), frame(FRAME.windowUpdate, 0, 2 * i + 1, code(0x7fffffff))])),
  ],
  ['sends 10,000 malformed heads', many(10_000, (i) => request(2 * i + 1, [...plain(), 'connection', 'x']))],
  ['opens more streams than it may', many(300, (i) => post(2 * i + 1))],
  [
    'never ends a head (CVE-2024-27316)',
    Buffer.concat([
      frame(FRAME.headers, 1, 1, literalFields(plain())),
      many(10_000, () => frame(FRAME.continuation, 0, 1, literalFields(['x', 'y']))),
    ]),
  ],
  [
    'never ends a head, and says nothing in it',
    Buffer.concat([frame(FRAME.headers, 1, 1, literalFields(plain())), many(10_000, () => frame(FRAME.continuation, 0, 1))]),
  ],
  ['sends 10,000 SETTINGS (CVE-2019-9515)', many(10_000, () => frame(FRAME.settings, 0, 0))],
  ['sends 20,000 PINGs (CVE-2019-9512)', many(20_000, () => frame(FRAME.ping, 0, 0, Buffer.alloc(8)))],
  ['sends 20,000 empty DATA frames (CVE-2019-9518)', Buffer.concat([post(1), many(20_000, () => data(1, ''))])],
  [
    'sends 100,000 frames of priorities (CVE-2019-9513)',
    many(100_000, (i) => frame(FRAME.priority, 0, 2 * (i % 50) + 3, Buffer.from([0, 0, 0, 0, 1]))),
  ],
  ['sends 100,000 frames of no known type', many(100_000, () => frame(0xee, 0, 0, Buffer.alloc(8)))],
];

describe('S08 a caller of HTTP/2 that', () => {
  test.each(floods)('%s is cut off', async (_what, bytes) => {
    const scene = await start();
    const codes = await attack(scene, (attacker) => attacker.write(bytes));
    expect(codes.length).toBeGreaterThan(0);
    expect(codes.some((each) => each !== constants.NGHTTP2_NO_ERROR)).toBe(true);
    // The two requests of the other caller, and those that were open at once.
    expect(scene.origin.requests.length).toBeLessThanOrEqual(102);
  });

  test('gives up request after request is told to calm down; what else runs on its connection is finished', async () => {
    let finish: () => void = () => {};
    const scene = await start(
      {},
      {
        origin: ({ target }, connection) => {
          if (target !== '/slow') return answerWith(200, [], 'ok');
          finish = () => connection.write(answerWith(200, [], 'slow'));
          return undefined;
        },
      },
    );
    const codes = await attack(scene, async (attacker) => {
      attacker.write(request(1, plain('/api/slow')));
      await scene.origin.untilRequests(2);
      for (let round = 0; !attacker.frames.some(({ type }) => type === FRAME.goaway); round += 1) {
        const first = 3 + 200 * round;
        const batch = many(50, (i) => request(first + 2 * i, plain('/api/other')));
        const mark = Buffer.from(String(round).padStart(8));
        attacker.write(
          batch,
          many(50, (i) => reset(first + 2 * i, 8)),
          frame(FRAME.ping, 0, 0, mark),
        );
        await attacker.waitFor(({ type, payload }) => type === FRAME.goaway || (type === FRAME.ping && payload.equals(mark)));
      }
      finish();
      await attacker.waitFor(({ type, stream, flags }) => type === FRAME.data && stream === 1 && (flags & 1) === 1);
    });
    expect(codes[0]).toBe(constants.NGHTTP2_ENHANCE_YOUR_CALM);
  });

  test('sends one SETTINGS after the other, and takes every answer, is told to calm down', async () => {
    const scene = await start();
    const codes = await attack(scene, async (attacker) => {
      const isTold = () => attacker.frames.some(({ type }) => type === FRAME.goaway);
      const acked = () => attacker.frames.filter(({ type, flags }) => type === FRAME.settings && flags === 1).length;
      for (let sent = 1; !isTold(); sent += 1) {
        attacker.write(frame(FRAME.settings, 0, 0));
        await attacker.raw.waitFor(() => acked() > sent || isTold());
      }
    });
    expect(codes).toContain(constants.NGHTTP2_ENHANCE_YOUR_CALM);
  });

  test('unpacks a small head into a large one has its stream reset: nothing of it arrives', async () => {
    const scene = await start();
    const attacker = await FrameCaller.open(scene.address());
    await attacker.settle();
    // One field of 3,900 bytes is put in the table (RFC 7541 §6.2.1), and named 12,000 times by one byte each.
    const entry = literalFields(['x-a', 'y'.repeat(3_900)]);
    entry[0] = 0x40;
    const bomb = Buffer.concat([literalFields(plain()), entry, Buffer.alloc(12_000, 0x80 | 62)]);
    attacker.write(frame(FRAME.headers, 5, 1, bomb));
    const refused = await attacker.waitFor(({ type }) => type === FRAME.reset);
    expect(codeOf(refused)).toBe(constants.NGHTTP2_ENHANCE_YOUR_CALM);
    attacker.write(request(3, plain()));
    await attacker.waitFor(({ type, stream }) => type === FRAME.data && stream === 3);
    expect(scene.origin.requests).toHaveLength(1);
    attacker.raw.socket.destroy();
  });

  test.each([
    ['never opens the window of its streams', 0, false],
    ['never opens the window of its connection', 2 ** 31 - 1, false],
    ['opens all windows, and reads nothing', 2 ** 31 - 1, true],
  ])('%s is cut after idleTimeout, and little is kept for it', async (_what, window, isDeaf) => {
    let written = 0;
    const before = process.memoryUsage().rss;
    const scene = await start(
      { idleTimeout: '500ms' },
      {
        origin: (_request, connection) => {
          connection.write('HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n');
          const chunk = Buffer.concat([Buffer.from('10000\r\n'), Buffer.alloc(65_536), Buffer.from('\r\n')]);
          // One after the other: what has been taken, and one more.
          const more = (error?: Error | null) => {
            if (error || connection.socket.destroyed) return;
            written += chunk.length;
            connection.socket.write(chunk, more);
          };
          more();
        },
      },
    );
    const setting = Buffer.alloc(6);
    setting.writeUInt16BE(4);
    setting.writeUInt32BE(window, 2);
    const attacker = await FrameCaller.open(scene.address(), {}, setting);
    await attacker.settle();
    attacker.write(many(20, (i) => request(2 * i + 1, plain())));
    if (isDeaf) {
      attacker.write(frame(FRAME.windowUpdate, 0, 0, code(2 ** 31 - 1 - 65_535)));
      attacker.raw.socket.pause();
    }
    const cuts = () => scene.log.filter(({ msg, cut }) => msg === 'request' && cut === 'caller').length;
    await scene.logged('request', () => cuts() === 20);
    if (!isDeaf) await attacker.raw.waitFor(() => attacker.frames.filter(({ type }) => type === FRAME.reset).length === 20);
    // Per stream: what the sockets between broker and origin hold, and a chunk or two. Far from what the origin would send.
    expect(written).toBeLessThan(20 * 8 * 1024 * 1024);
    expect(process.memoryUsage().rss - before).toBeLessThan(150 * 1024 * 1024);
    attacker.raw.socket.destroy();
  });

  test('uploads on 100 streams at once, of which nobody reads, holds at most a window for each', async () => {
    const released = Promise.withResolvers<void>();
    const scene = await start({}, { token: () => released.promise.then(() => tokenAnswer()) });
    const attacker = await FrameCaller.open(scene.address());
    await attacker.settle();
    attacker.write(frame(FRAME.windowUpdate, 0, 0, code(1)));
    for (let i = 0; i < 100; i += 1)
      attacker.write(
        post(2 * i + 1),
        many(3, () => data(2 * i + 1, Buffer.alloc(16_384))),
      );
    attacker.write(frame(FRAME.ping, 0, 0, Buffer.from('uploaded')));
    await attacker.waitFor(({ type, flags }) => type === FRAME.ping && flags === 1);
    // Another window's worth on one of them is more than it was given.
    attacker.write(many(2, () => data(1, Buffer.alloc(16_384))));
    const end = await attacker.waitFor(({ type, stream }) => type === FRAME.goaway || (type === FRAME.reset && stream === 1));
    expect(codeOf(end)).toBe(constants.NGHTTP2_FLOW_CONTROL_ERROR);
    attacker.raw.socket.destroy();
    released.resolve();
    await scene.logged('token granted');
  });
});
