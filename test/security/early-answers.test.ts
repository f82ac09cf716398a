/**
 * An upstream of HTTP/2 answers uploads before it has read them: 401, 413, or out of malice. What is left of each upload is not sent then.
 * node:http2 made empty frames without end of a stream that was reset while bytes waited: all requests hung, and no memory was left.
 */

import type { ClientHttp2Stream } from 'node:http2';
import { setTimeout as delay } from 'node:timers/promises';
import { afterEach, expect, test } from '@jest/globals';
import { type BrokerProcess, startBrokerProcess } from '../helpers/broker-process.ts';
import { Http2Caller } from '../helpers/http2-client.ts';
import { type Http2Origin, routeTo, startHttp2Origin } from '../helpers/http2-origin.ts';

let origin: Http2Origin;
let broker: BrokerProcess;
afterEach(async () => {
  await broker.close();
  await origin.close();
});

/** Resolves to its status and length when its end has come: how the upload ends is another matter. */
function answerTo(stream: ClientHttp2Stream): Promise<[number, number]> {
  let [status, length] = [0, 0];
  return new Promise((resolve) => {
    stream
      .on('response', (head) => (status = Number(head[':status'])))
      .on('data', (bytes: Buffer) => (length += bytes.length))
      .on('end', () => resolve([status, length]))
      .on('close', () => resolve([status, length]));
  });
}

test('1,000 uploads, to an upstream that answers each before it has come: each gets its answer', async () => {
  origin = await startHttp2Origin((stream, head) => {
    const length = Number(head[':path']?.slice(1));
    stream.resume().respond({ ':status': 413, 'content-length': length });
    stream.end(Buffer.alloc(length));
  });
  broker = await startBrokerProcess({
    config: {
      listeners: { local: { address: '127.0.0.1:0', authenticate: ['anonymous'], protocols: ['h2c'] } },
      routes: { api: { path: '/api', callers: ['anonymous'], token: null, ...routeTo(origin) } },
    },
  });
  const caller = new Http2Caller(broker.url());
  const upload = async (i: number) => {
    const body = Buffer.alloc(500 + (i % 5 === 0 ? 300 : 5) * (i % 1_000));
    const length = (i % 10 === 3 ? 200 : 3) * (i % 1_000);
    const stream = caller.begin({ path: `/api/${length}`, method: 'POST' }, true);
    const answer = answerTo(stream);
    stream.write(body.subarray(0, 500));
    if (i % 3 === 0) await delay(5);
    stream.end(body.subarray(500));
    expect(await answer).toEqual([413, length]);
  };
  let next = 0;
  const worker = async () => {
    while (next < 1_000) {
      next += 1;
      await upload(next);
    }
  };
  await Promise.all(Array.from({ length: 40 }, worker));
  caller.close();
});
