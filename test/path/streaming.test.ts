/** Bodies that are long, slow, or come in very small pieces: what goes in comes out, at once, and memory stays where it is. */

import { createHash, randomBytes } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { createServer, type RequestListener } from 'node:http';
import { type AddressInfo, connect } from 'node:net';
import { afterEach, describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { readAnswers } from '../fuzz/strict-answers.ts';
import { type Scene, startScene } from '../helpers/broker.ts';
import { startBrokerProcess } from '../helpers/broker-process.ts';
import { cutAt, fieldList, places } from '../helpers/pieces.ts';
import { openRaw } from '../helpers/raw-client.ts';
import { scaled } from '../helpers/scale.ts';
import { answerWith } from '../helpers/scripted-answers.ts';

let scene: Scene | undefined;
let close: () => void = () => {};
afterEach(async () => {
  await scene?.close();
  scene = undefined;
  close();
  close = () => {};
});

async function serve(listener: RequestListener): Promise<string> {
  const server = createServer(listener);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  close = () => {
    server.close();
    server.closeAllConnections();
  };
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

const BYTES = scaled(256 * 1024 ** 2, 5 * 1024 ** 3);
const BLOCK = randomBytes(1024 ** 2);

/** The hash of the whole body, without the body. */
function expectedHash(): string {
  const hash = createHash('sha1');
  for (let sent = 0; sent < BYTES; sent += BLOCK.length) hash.update(BLOCK);
  return hash.digest('hex');
}

/** Writes the body as fast as it is taken. */
function pump(write: (bytes: Buffer) => boolean, onDrain: (go: () => void) => void, end: () => void): void {
  let sent = 0;
  const go = () => {
    while (sent < BYTES) {
      sent += BLOCK.length;
      if (!write(BLOCK)) return onDrain(go);
    }
    end();
  };
  go();
}

describe('a very long body', () => {
  test(
    'S01 goes up and down whole, and memory stays where it is',
    async () => {
      const upstream = await serve((request, response) => {
        if (request.method === 'GET') {
          response.writeHead(200, { 'content-length': BYTES });
          return pump(
            (bytes) => response.write(bytes),
            (go) => response.once('drain', go),
            () => response.end(),
          );
        }
        const hash = createHash('sha1');
        request.on('data', (bytes: Buffer) => hash.update(bytes)).on('end', () => response.end(hash.digest('hex')));
      });
      const broker = await startBrokerProcess({
        config: {
          listeners: { local: { address: '127.0.0.1:0', authenticate: ['anonymous'] } },
          routes: { api: { path: '/api', callers: ['anonymous'], token: null, upstream } },
        },
      });
      const expected = expectedHash();
      const residentBytes = () => Number(/^VmRSS:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${broker.pid}/status`, 'utf8'))?.[1]) * 1024;
      const before = residentBytes();
      let peak = 0;
      let looks = 0;
      const look = () => {
        looks += 1;
        if (looks % 16 === 0) peak = Math.max(peak, residentBytes() - before);
      };
      const [host, port] = broker.address().split(':') as [string, string];
      const up = await new Promise<string>((resolve) => {
        const socket = connect(Number(port), host);
        socket.on(
          'data',
          (bytes: Buffer) => /[0-9a-f]{40}/.test(bytes.toString()) && resolve(/[0-9a-f]{40}/.exec(bytes.toString())?.[0] ?? ''),
        );
        socket.write(`PUT /api/up HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Length: ${BYTES}\r\n\r\n`);
        pump(
          (bytes) => {
            look();
            return socket.write(bytes);
          },
          (go) => socket.once('drain', go),
          () => {},
        );
      });
      expect(up).toBe(expected);
      const down = await new Promise<string>((resolve) => {
        const hash = createHash('sha1');
        let head: Buffer | undefined = Buffer.alloc(0);
        const socket = connect(Number(port), host);
        socket.on('data', (bytes: Buffer) => {
          look();
          if (head === undefined) return void hash.update(bytes);
          head = Buffer.concat([head, bytes]);
          const end = head.indexOf('\r\n\r\n');
          if (end === -1) return;
          hash.update(head.subarray(end + 4));
          head = undefined;
        });
        socket.on('end', () => resolve(hash.digest('hex')));
        socket.write('GET /api/down HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n');
      });
      expect(down).toBe(expected);
      await broker.close();
      // The body is four times this in the short run, eighty times in the long one.
      expect(peak).toBeLessThan(64 * 1024 ** 2);
    },
    scaled(60_000, 1_200_000),
  );
});

describe('events', () => {
  test('S03 each of a stream arrives before the next is sent, and waits for nothing', async () => {
    let send: (text: string) => void = () => {};
    let end: () => void = () => {};
    const started = await startScene({
      origin: (_asked, connection) => {
        connection.write('HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n');
        send = (text) => connection.write(`${text.length.toString(16)}\r\n${text}\r\n`);
        end = () => connection.write('0\r\n\r\n');
        return undefined;
      },
    });
    scene = started;
    const connection = await openRaw(started.address());
    connection.write('GET /api/events HTTP/1.1\r\nHost: localhost\r\n\r\n');
    await connection.waitFor('text/event-stream');
    const events = scaled(200, 600);
    for (let i = 0; i < events; i += 1) {
      send(`data: event ${i};\n\n`);
      await connection.waitFor(`event ${i};`);
    }
    end();
    const text = await connection.waitFor('\r\n0\r\n\r\n');
    expect(text.match(/event \d+;/g)).toHaveLength(events);
    connection.reset();
  });

  test('S03 chunks of one byte go through in both directions, and none is lost', async () => {
    const count = scaled(20_000, 100_000);
    const body = Array.from({ length: count }, (_, index) => String.fromCharCode(97 + (index % 26))).join('');
    const chunks = body.replace(/./g, (byte) => `1\r\n${byte}\r\n`);
    const started = await startScene({
      origin: ({ body: received }) => {
        expect(received.toString() === body).toBe(true);
        return `HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n${chunks}0\r\n\r\n`;
      },
    });
    scene = started;
    const connection = await openRaw(started.address());
    const ended: Buffer[] = [];
    connection.socket.on('data', (bytes: Buffer) => ended.push(bytes));
    connection.write(`PUT /api/x HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\n${chunks}0\r\n\r\n`);
    await connection.closed;
    const { answers } = readAnswers(Buffer.concat(ended), ['PUT']);
    expect([answers.length, answers[0]?.complete, answers[0]?.body === body]).toEqual([1, true, true]);
  });
});

describe('any request', () => {
  const method = fc.constantFrom('GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS', 'PURGE');
  const framing = fc.constantFrom('none', 'length', 'chunked');
  const body = fc.oneof(
    fc.uint8Array({ maxLength: 200 }),
    fc.integer({ min: 0, max: scaled(200_000, 1_048_576) }).map((size) => randomBytes(size)),
  );

  test(
    'H14 reaches the upstream as it was sent: method, fields of both ends, body; one for one',
    async () => {
      const started = await startScene({ origin: (asked) => (asked.method === 'HEAD' ? answerWith(200, []) : answerWith(200, [], 'ok')) });
      scene = started;
      const connection = await openRaw(started.address());
      await fc.assert(
        fc.asyncProperty(method, framing, body, fieldList, places, async (name, framed, bytes, given, cuts) => {
          // Those that the broker owns, and those that decide framing, have tests of their own.
          const fields = given
            .filter((_, index) => (given[index - (index % 2)] as string).length > 1)
            .map((text, index) => (index % 2 === 0 ? `Z${text}` : text));
          const lines = [`${name} /api/x HTTP/1.1`, 'Host: localhost'];
          for (let i = 0; i < fields.length; i += 2) lines.push(`${fields[i]}: ${fields[i + 1]}`);
          if (framed === 'length') lines.push(`Content-Length: ${bytes.length}`);
          if (framed === 'chunked') lines.push('Transfer-Encoding: chunked');
          const sent = framed === 'none' ? Buffer.alloc(0) : Buffer.from(bytes);
          const pieces =
            framed === 'chunked'
              ? [...cutAt(sent, cuts).flatMap((piece) => [`${piece.length.toString(16)}\r\n`, piece, '\r\n']), '0\r\n\r\n']
              : [sent];
          const message = Buffer.concat(
            [`${lines.join('\r\n')}\r\n\r\n`, ...pieces].map((piece) => (typeof piece === 'string' ? Buffer.from(piece, 'latin1') : piece)),
          );
          const before = started.origin.requests.length;
          for (const piece of cutAt(message, cuts)) connection.write(piece);
          await started.origin.untilRequests(before + 1);
          const [got, ...more] = started.origin.requests.slice(before);
          expect([more.length, got?.method, got?.body.equals(sent)]).toEqual([0, name, true]);
          for (let i = 0; i < fields.length; i += 2) expect(got?.field(fields[i] as string)).toContain(fields[i + 1]);
        }),
        { numRuns: scaled(100, 2_000) },
      );
      expect(started.origin.leftovers).toEqual([]);
      connection.reset();
    },
    scaled(30_000, 300_000),
  );
});
