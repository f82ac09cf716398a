/** Answers before the answer (RFC 9110 §15.2), and who owns `100 Continue`. */

import { afterEach, describe, expect, test } from '@jest/globals';
import { type Scene, startScene } from '../helpers/broker.ts';
import { openRaw, sendRaw } from '../helpers/raw-client.ts';
import { answerWith } from '../helpers/scripted-answers.ts';
import { startScriptedServer } from '../helpers/scripted-server.ts';

let scene: Scene;
afterEach(() => scene.close());

const GET = 'GET /api/x HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n';
const statuses = (text: string) => [...text.matchAll(/^HTTP\/1\.1 (\d+)/gm)].map(([, status]) => Number(status));

describe('interim answers', () => {
  test('U04 an unasked 100, three 103 and a 102 are passed on in order, before the answer', async () => {
    const hints = [100, 103, 103, 102, 103].map((status) => `HTTP/1.1 ${status} Soon\r\nLink: <${status}>\r\nConnection: x\r\n\r\n`);
    scene = await startScene({ origin: () => hints.join('') + answerWith(200, [], 'ok') });
    const { text } = await sendRaw(scene.address(), GET);
    expect(statuses(text)).toEqual([100, 103, 103, 102, 103, 200]);
    expect(text).toContain('Link: <103>\r\n');
    expect(text.slice(0, text.indexOf(' 200 '))).not.toMatch(/^Connection:/m);
  });

  test('U04 a length in an interim answer is not passed on: a lenient caller would take the answer for its body', async () => {
    scene = await startScene({ origin: () => `HTTP/1.1 103 Hints\r\nContent-Length: 15\r\n\r\n${answerWith(200, [], 'ok')}` });
    const { text } = await sendRaw(scene.address(), GET);
    expect(statuses(text)).toEqual([103, 200]);
    expect(text.slice(0, text.indexOf(' 200 '))).not.toMatch(/content-length/i);
  });

  test('U04 a flood of them is 502', async () => {
    scene = await startScene({ origin: () => 'HTTP/1.1 103 Hints\r\n\r\n'.repeat(100) + answerWith(200, [], 'ok') });
    const seen = statuses((await sendRaw(scene.address(), GET)).text);
    expect(seen.at(-1)).toBe(502);
    expect(seen.length).toBeLessThanOrEqual(21);
  });

  test('U04 a caller of HTTP/1.0 gets none', async () => {
    scene = await startScene({ origin: () => `HTTP/1.1 103 Hints\r\n\r\n${answerWith(200, [], 'ok')}` });
    const { text } = await sendRaw(scene.address(), 'GET /api/x HTTP/1.0\r\nHost: localhost\r\n\r\n');
    expect(statuses(text)).toEqual([200]);
  });

  test('H10 a 101 that nobody asked for is 502, and its connection is dropped', async () => {
    const origin = () => 'HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n';
    scene = await startScene({ origin });
    const { text } = await sendRaw(scene.address(), GET);
    expect(statuses(text)).toEqual([502]);
    await scene.origin.until((server) => server.openConnections() === 0);
    expect(scene.origin.requests).toHaveLength(1);
  });
});

describe('Expect: 100-continue', () => {
  const HEAD = 'PUT /api/x HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5\r\nConnection: close\r\nExpect: 100-continue\r\n\r\n';

  test.each([
    ['says 100 too', 'HTTP/1.1 100 Continue\r\n\r\n'],
    ['is silent', ''],
  ])('S09 when the upstream %s, the caller is told once', async (_what, interim) => {
    scene = await startScene({ origin: (asked) => interim + answerWith(200, [], asked.body) });
    const connection = await openRaw(scene.address());
    connection.write(HEAD);
    await connection.waitFor('100 Continue');
    connection.write('hello');
    await connection.closed;
    expect(statuses(connection.text())).toEqual([100, 200]);
    expect(scene.origin.requests[0]?.body.toString()).toBe('hello');
    expect(scene.origin.requests[0]?.field('expect')).toEqual([]);
  });

  test.each([417, 403])('S09 when the upstream says %i at once, the caller hears it, and the connection closes', async (status) => {
    const origin = await startScriptedServer({ answer: () => undefined, onHead: () => answerWith(status, [], 'no') });
    scene = await startScene({ route: { upstream: origin.url } });
    const { text } = await sendRaw(scene.address(), HEAD);
    expect(statuses(text)).toEqual([100, status]);
    expect(text).toMatch(/connection: close/i);
    await origin.close();
  });

  test('S09 another expectation is 417, and nobody else hears of it', async () => {
    scene = await startScene();
    const { text } = await sendRaw(scene.address(), HEAD.replace('100-continue', 'a-miracle'));
    expect(statuses(text)).toEqual([417]);
    expect(scene.origin.requests).toHaveLength(0);
  });

  test('S09 who has sent the body already is not told to go on', async () => {
    scene = await startScene({ origin: (asked) => answerWith(200, [], asked.body) });
    const { text } = await sendRaw(scene.address(), `${HEAD}hello`);
    expect(statuses(text)).toEqual([200]);
  });
});
