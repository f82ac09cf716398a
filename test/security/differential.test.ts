/**
 * The attack: a message that we read in one way and the server behind us in another. What we forward of all that smugglers send is given to
 * nginx, HAProxy and Node, each time with one more request behind it on the same connection: they must see exactly these two.
 */

import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { beforeAll, describe, expect, test } from '@jest/globals';
import { answerCase, hostileAnswers } from '../fuzz/answers.ts';
import { runEngine } from '../fuzz/engine.ts';
import { curatedCases, requestCase, smugglerCases } from '../fuzz/inputs.ts';
import { Random } from '../fuzz/random.ts';
import { readAnswers } from '../fuzz/strict-answers.ts';
import type { FramedRequest } from '../helpers/message-framing.ts';
import { openRaw } from '../helpers/raw-client.ts';
import { startReferenceProxy } from '../helpers/reference-proxies.ts';
import { scaled } from '../helpers/scale.ts';
import { answerWith } from '../helpers/scripted-answers.ts';
import { startScriptedServer } from '../helpers/scripted-server.ts';

const MARKER = 'GET /marker HTTP/1.1\r\nHost: upstream\r\n\r\n';

let forwarded: FramedRequest[] = [];
let accepted = 0;

beforeAll(async () => {
  const random = new Random(20_261_122);
  const cases = [...smugglerCases(), ...curatedCases(), ...Array.from({ length: scaled(1_500, 20_000) }, () => requestCase(random))];
  const distinct = new Map<string, FramedRequest>();
  for (const { bytes } of cases) {
    const outcome = await runEngine([bytes]);
    accepted += outcome.forwarded.length;
    for (const request of outcome.forwarded) distinct.set(request.raw.toString('latin1'), request);
  }
  forwarded = [...distinct.values()];
});

interface Saw {
  readonly method: string;
  readonly target: string;
  readonly body: string;
}

function told({ head, body }: FramedRequest): Saw {
  const [method = '', target = ''] = head.split(' ', 2);
  return { method, target, body: body.toString('latin1') };
}

const MARKED: Saw = { method: 'GET', target: '/marker', body: '' };

/** Gives each to whoever listens on the port; `seen` is what has arrived behind it. */
async function expectSame(port: number, seen: Saw[]): Promise<{ same: number; refused: number }> {
  const counts = { same: 0, refused: 0 };
  for (const request of forwarded) {
    seen.length = 0;
    const sent = told(request);
    const connection = await openRaw({ port });
    connection.write(Buffer.concat([request.raw, Buffer.from(MARKER)]));
    const text = await connection.waitFor((soFar) => wholeAnswers(soFar, sent.method) || refusal(soFar)).catch(() => connection.text());
    connection.socket.destroy();
    await connection.closed;
    if (refusal(text)) {
      expect([sent, seen]).toEqual([sent, []]);
      counts.refused += 1;
    } else {
      expect([sent, seen]).toEqual([sent, [sent, MARKED]]);
      counts.same += 1;
    }
  }
  return counts;
}

function wholeAnswers(text: string, method: string): boolean {
  try {
    const { answers } = readAnswers(Buffer.from(text, 'latin1'), [method, 'GET']);
    return answers.length === 2 && answers.every(({ complete }) => complete);
  } catch {
    return false;
  }
}

/** It knows only some methods. */
function refusal(text: string): boolean {
  return /^HTTP\/1\.1 (?:400|405|501) /.test(text) && text.includes('\r\n\r\n');
}

describe('what we forward', () => {
  test('H16 is enough of all that was sent to prove anything', () => {
    expect(accepted).toBeGreaterThan(500);
    expect(forwarded.length).toBeGreaterThan(200);
  });

  test.each(['nginx', 'haproxy'] as const)(
    'H15 H16 is read by %s as we meant it, and nothing behind it is taken for part of it',
    async (name) => {
      const seen: Saw[] = [];
      const recorder = await startScriptedServer({
        answer: ({ method, target, body }) => {
          seen.push({ method, target, body: body.toString('latin1') });
          return method === 'HEAD' ? answerWith(200, []) : answerWith(200, [], 'ok');
        },
      });
      const proxy = await startReferenceProxy(name, recorder.port);
      if (proxy === undefined) process.stderr.write(`left out: ${name} is not installed\n`);
      else {
        const { same, refused } = await expectSame(proxy.port, seen);
        await proxy.close();
        expect(same).toBeGreaterThan(10 * refused);
      }
      await recorder.close();
      expect(recorder.leftovers.filter(({ kind }) => kind === 'broken')).toEqual([]);
    },
    60_000,
  );

  test('H15 H16 is read by Node as we meant it, and nothing behind it is taken for part of it', async () => {
    const seen: Saw[] = [];
    const server = createServer((request, response) => {
      const index = seen.length;
      seen.push({ method: request.method ?? '', target: request.url ?? '', body: '' });
      request.setEncoding('latin1').on('data', (text: string) => {
        const { method, target, body } = seen[index] as Saw;
        seen[index] = { method, target, body: body + text };
      });
      request.on('end', () => response.end('ok'));
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const { same, refused } = await expectSame((server.address() as AddressInfo).port, seen);
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
    expect(same).toBeGreaterThan(10 * refused);
  }, 60_000);
});

describe('what we pass on of an answer', () => {
  test('H10 H11 is one strict answer, whatever the upstream said and wherever its bytes were split', async () => {
    const random = new Random(11);
    const cases = [...hostileAnswers(), ...Array.from({ length: scaled(500, 10_000) }, () => answerCase(random))];
    for (const { bytes } of cases) {
      const { answered } = await runEngine([Buffer.from('GET /api/x HTTP/1.1\r\nHost: localhost\r\n\r\n')], {
        bytes: random.split(bytes),
        end: true,
      });
      const { answers, rest } = readAnswers(answered, ['GET']);
      expect([bytes.toString('latin1'), answers.length, rest]).toEqual([bytes.toString('latin1'), 1, '']);
      // What was planted behind an answer is nobody's; inside of one that it is the body of, it may stand.
      if (answers[0]?.status === 502) expect(answers[0].body).not.toContain('planted');
    }
  });
});
