/** Many requests over HTTP/2 on both sides, most with bodies, while either side fails in every way: none is lost or mixed up, and nothing piles up. */

import { type ClientHttp2Stream, constants, type ServerHttp2Stream } from 'node:http2';
import { setTimeout as delay } from 'node:timers/promises';
import { afterEach, expect, test } from '@jest/globals';
import { Random } from '../fuzz/random.ts';
import { type BrokerProcess, startBrokerProcess } from '../helpers/broker-process.ts';
import { Http2Caller } from '../helpers/http2-client.ts';
import { type Http2Origin, routeTo, startHttp2Origin } from '../helpers/http2-origin.ts';
import { scaled } from '../helpers/scale.ts';

let broker: BrokerProcess;
let origin: Http2Origin;
afterEach(async () => {
  await broker.close();
  await origin.close();
});

const REQUESTS = scaled(3_000, 60_000);
/** All of them at once take some 200 MB. */
const MOST_MB = 500;

/** What is sent for a request, either way: where bytes of another stand in it, it shows. */
const bytesOf = (id: string, length: number) => Buffer.alloc(length, `${id}.`);

const WAYS = ['whole', 'whole', 'whole', 'in pieces', 'early', 'early', 'early and gone', 'reset', 'refused', 'cut'] as const;

/** The path of a request says how it is answered: `/ID/WAY/LENGTH`. */
async function startOrigin(foreign: string[]): Promise<Http2Origin> {
  const answer = async (stream: ServerHttp2Stream, id: string, way: string, length: number) => {
    if (stream.closed || stream.destroyed) return;
    if (way === 'reset') return stream.close(constants.NGHTTP2_INTERNAL_ERROR);
    if (way === 'refused') return stream.close(constants.NGHTTP2_REFUSED_STREAM);
    stream.respond({ ':status': 200, 'content-length': length });
    const bytes = bytesOf(id, length);
    const half = Math.ceil(length / 2);
    if (way === 'in pieces' || way === 'cut') {
      stream.write(bytes.subarray(0, half));
      await delay(2);
    }
    if (way === 'cut') return stream.close(constants.NGHTTP2_INTERNAL_ERROR);
    stream.end(way === 'in pieces' ? bytes.subarray(half) : bytes);
    if (way === 'early and gone') stream.once('finish', () => stream.close(constants.NGHTTP2_NO_ERROR));
  };
  return startHttp2Origin(
    (stream, head) => {
      const [id = '', way = '', length] = decodeURIComponent(head[':path'] ?? '')
        .slice(1)
        .split('/');
      const expected = bytesOf(id, 300_000);
      let received = 0;
      stream.on('data', (bytes: Buffer) => {
        if (!bytes.equals(expected.subarray(received, received + bytes.length))) foreign.push(`in the body of ${id}`);
        received += bytes.length;
      });
      if (way.startsWith('early')) void answer(stream, id, way, Number(length));
      else stream.on('end', () => void answer(stream, id, way, Number(length)));
    },
    { streamResetBurst: REQUESTS, streamResetRate: REQUESTS },
  );
}

/** What there was of the answer when its stream ended, or when nothing more can come. */
function answerTo(stream: ClientHttp2Stream): Promise<{ status: number; body: Buffer }> {
  const chunks: Buffer[] = [];
  let status = 0;
  return new Promise((resolve) => {
    const over = () => resolve({ status, body: Buffer.concat(chunks) });
    stream.on('response', (head) => {
      status = Number(head[':status']);
    });
    stream
      .on('data', (bytes: Buffer) => chunks.push(bytes))
      .on('end', over)
      .on('close', over);
  });
}

const became = { whole: 0, cut: 0, refused: 0, left: 0 };

async function ask(caller: Http2Caller, id: string, random: Random, foreign: string[]): Promise<void> {
  const way = WAYS[random.int(WAYS.length)] as string;
  const length = random.int(random.chance(10) ? 200_000 : 3_000);
  const upload = bytesOf(id, random.int(random.chance(5) ? 300_000 : 5_000));
  const leaves = random.chance(15);
  const path = `/api/${id}/${encodeURIComponent(way)}/${length}`;
  const stream = caller.begin({ path, method: 'POST', fields: random.chance(2) ? ['content-length', String(upload.length)] : [] }, true);
  const answered = answerTo(stream);
  if (leaves) setTimeout(() => stream.close(constants.NGHTTP2_CANCEL), random.int(15));
  stream.write(upload.subarray(0, 500));
  if (random.chance(3)) await delay(3);
  if (!stream.closed) stream.end(upload.subarray(500));
  const { status, body } = await answered;
  if (status === 200 && !bytesOf(id, length).subarray(0, body.length).equals(body)) foreign.push(`in the answer to ${id}`);
  if (leaves) became.left += 1;
  else if (status >= 500) became.refused += 1;
  else if (body.length === length && status === 200) became.whole += 1;
  else became.cut += 1;
}

test(
  'S11 a soak over HTTP/2: each request is answered with its own answer or visibly broken off, and leaves nothing behind',
  async () => {
    const random = new Random(7);
    const foreign: string[] = [];
    origin = await startOrigin(foreign);
    broker = await startBrokerProcess({
      config: {
        listeners: { local: { address: '127.0.0.1:0', authenticate: ['anonymous'], protocols: ['h2c'] } },
        routes: { api: { path: '/api', callers: ['anonymous'], token: null, ...routeTo(origin) } },
      },
    });
    const callers = Array.from({ length: 4 }, () => new Http2Caller(broker.url()));
    let next = 0;
    const worker = async (_: unknown, index: number) => {
      while (next < REQUESTS) {
        next += 1;
        const at = index % callers.length;
        if (callers[at]?.session.closed) callers[at] = new Http2Caller(broker.url());
        await ask(callers[at] as Http2Caller, String(next), random, foreign);
      }
    };
    await Promise.all(Array.from({ length: 40 }, worker));
    for (const caller of callers) caller.close();

    expect(foreign).toEqual([]);
    expect(became.whole + became.cut + became.refused + became.left).toBe(REQUESTS);
    expect(became.whole).toBeGreaterThan(REQUESTS / 2);
    const metrics = await metricsAtRest();
    expect(Number(/^process_resident_memory_bytes (\S+)$/m.exec(metrics)?.[1]) / 1e6).toBeLessThan(MOST_MB);
  },
  scaled(60_000, 1_800_000),
);

async function metricsAtRest(): Promise<string> {
  for (;;) {
    const metrics = await (await fetch(`${broker.url('admin')}/metrics`)).text();
    if (/^token_broker_requests_in_flight 0$/m.test(metrics) && /^token_broker_connections_open\{listener="local"\} 0$/m.test(metrics))
      return metrics;
    await delay(100);
  }
}
