/** What passes as it is: content fields, codings, caching, and a token in the query that is the application's own business. */

import { gzipSync } from 'node:zlib';
import { afterEach, describe, expect, test } from '@jest/globals';
import { type Scene, startScene } from '../helpers/broker.ts';
import { fieldLines } from '../helpers/message-framing.ts';
import { sendRaw } from '../helpers/raw-client.ts';
import { answerWith } from '../helpers/scripted-answers.ts';

let scene: Scene;
afterEach(() => scene.close());

async function call(fields: readonly string[], target = '/api/x'): Promise<{ head: string; answer: string }> {
  const lines = [`GET ${target} HTTP/1.1`, 'Host: localhost', ...fields, 'Connection: close'];
  const { text } = await sendRaw(scene.address(), `${lines.join('\r\n')}\r\n\r\n`);
  return { head: scene.origin.requests.at(-1)?.head ?? '', answer: text };
}

describe('what passes as it is', () => {
  const ASKED = [
    'Accept-Encoding: gzip, br;q=0.5',
    'Range: bytes=0-99',
    'If-None-Match: "a", W/"b"',
    'If-Modified-Since: Sun, 06 Nov 1994 08:49:37 GMT',
    'Cache-Control: no-cache, max-age=0',
    'Accept: text/html;q=0.8, */*',
    'User-Agent: test',
  ];
  const SAID = [
    'Content-Encoding: gzip',
    'Content-Type: text/plain; charset=latin1',
    'Content-Range: bytes 0-99/200',
    'Cache-Control: public, max-age=60',
    'Date: Sun, 06 Nov 1994 08:49:37 GMT',
    'Server: origin/1',
    'ETag: W/"a"',
    'Vary: Authorization, Accept',
    'Age: 7',
  ];

  test('N08 conditions, ranges, codings and dates, in both directions, and the bytes of the body', async () => {
    const body = gzipSync('hello '.repeat(1_000));
    scene = await startScene({ origin: () => answerWith(206, SAID, body) });
    const { head, answer } = await call(ASKED);
    for (const line of ASKED) expect(head).toContain(`${line}\r\n`);
    for (const line of SAID) expect(answer).toContain(`${line}\r\n`);
    expect(answer.match(/^(?:Date|Server):/gim)).toHaveLength(2);
    expect(answer.endsWith(body.toString('latin1'))).toBe(true);
  });

  test('N08 nothing but a Date (RFC 9110 §6.6.1) is added to an answer that says little', async () => {
    scene = await startScene({ origin: () => answerWith(200, [], 'ok') });
    const { answer } = await call([]);
    expect(answer.replace(/^date: .* GMT\r\n/m, '')).toBe('HTTP/1.1 200 Scripted\r\nContent-Length: 2\r\nconnection: close\r\n\r\nok');
  });

  test('N12 an answer that may be cached is asked for each time: the broker keeps none', async () => {
    scene = await startScene({
      origin: () => answerWith(200, ['Cache-Control: public, max-age=3600', 'Vary: Accept'], `answer ${scene.origin.requests.length}`),
    });
    expect((await call([])).answer).toMatch(/answer 1$/);
    const { answer } = await call([]);
    expect(answer).toMatch(/answer 2$/);
    expect(fieldLines(answer, 'cache-control')).toEqual(['public, max-age=3600']);
    expect(fieldLines(answer, 'vary')).toEqual(['Accept']);
  });

  test('N06 a token in the query passes byte for byte, is in no output, and ours is the only one in the fields', async () => {
    scene = await startScene();
    const { head } = await call([], '/api/x?access_token=planted-in-the-query&a=%20');
    expect(head).toMatch(/^GET \/x\?access_token=planted-in-the-query&a=%20 HTTP/);
    expect(fieldLines(head, 'authorization')).toEqual(['Bearer scripted-access-token']);
    expect(JSON.stringify(await scene.logged('request'))).not.toContain('planted');
    expect(JSON.stringify(scene.log) + (await scene.metrics())).not.toContain('planted');
  });
});
