/** Requests that go on and on: round in a circle, or further than they were meant to. */

import { afterEach, describe, expect, test } from '@jest/globals';
import { startBroker, type TestBroker } from '../helpers/broker.ts';
import { sendRaw } from '../helpers/raw-client.ts';
import { freePort } from '../helpers/redis.ts';
import { answerWith } from '../helpers/scripted-answers.ts';
import { type ScriptedServer, startScriptedServer } from '../helpers/scripted-server.ts';

let broker: TestBroker;
let origin: ScriptedServer | undefined;
afterEach(async () => {
  await broker.close();
  await origin?.close();
  origin = undefined;
});

const get = (path: string, lines: readonly string[] = [], method = 'GET') =>
  `${[`${method} ${path} HTTP/1.1`, 'Host: localhost', 'Connection: close', ...lines].join('\r\n')}\r\n\r\n`;

async function startWithOrigin(): Promise<ScriptedServer> {
  origin = await startScriptedServer({ answer: () => answerWith(200, [], 'ok') });
  broker = await startBroker({ routes: { api: { path: '/api', callers: ['anonymous'], token: null, upstream: origin.url } } });
  return origin;
}

describe('a loop', () => {
  test('N09 of a route that leads back to its own listener ends with 508, after few rounds', async () => {
    const port = await freePort();
    broker = await startBroker({
      listeners: { local: { address: `127.0.0.1:${port}`, authenticate: ['anonymous'] } },
      routes: { loop: { path: '/loop', callers: ['anonymous'], token: null, upstream: `http://127.0.0.1:${port}/loop` } },
    });
    const { text } = await sendRaw(broker.address(), get('/loop/x'));
    expect(text).toMatch(/^HTTP\/1\.1 508 /);
    expect(text).toMatch(/proxy-status: token-broker; error=proxy_loop_detected; details="REQUEST_INVALID"/);
    expect(broker.log.filter(({ msg }) => msg === 'request').length).toBeLessThanOrEqual(5);
  });

  test.each([
    [['Via: 1.1 token-broker, 1.0 fred', 'via: 1.1 token-broker', 'Via: 1.1 token-broker'], 200],
    [['Via: 1.1 token-broker, 1.1 token-broker', 'via: 1.1 token-broker,1.1 token-broker'], 508],
  ])('N09 a chain of brokers is none: %j is %i', async (lines, status) => {
    const { requests } = await startWithOrigin();
    const { text } = await sendRaw(broker.address(), get('/api/x', lines));
    expect(text).toMatch(new RegExp(`^HTTP/1\\.1 ${status} `));
    expect(requests).toHaveLength(status === 200 ? 1 : 0);
  });
});

describe('Max-Forwards', () => {
  test('N11 of 0 on OPTIONS is answered here', async () => {
    const { requests } = await startWithOrigin();
    const { text } = await sendRaw(broker.address(), get('/api/x', ['Max-Forwards: 0'], 'OPTIONS'));
    expect(text).toMatch(/^HTTP\/1\.1 200 OK\r\n/);
    expect(requests).toHaveLength(0);
  });

  test('N11 of 0 with a body that is held back ends the connection: what comes next could be either', async () => {
    await startWithOrigin();
    const head = 'OPTIONS /api/x HTTP/1.1\r\nHost: localhost\r\nMax-Forwards: 0\r\nContent-Length: 60\r\nExpect: 100-continue\r\n\r\n';
    // Its sender takes the answer for the word that the body is not wanted, and goes on.
    const { text, closed } = await sendRaw(broker.address(), `${head}GET /api/next HTTP/1.1\r\nHost: localhost\r\n\r\n`);
    expect(text).toMatch(/^HTTP\/1\.1 200 OK\r\n[\s\S]*connection: close\r\n/);
    expect(['fin', 'reset']).toContain(closed);
  });

  test('N11 of more is counted down, and of other methods left alone', async () => {
    const { requests } = await startWithOrigin();
    await sendRaw(broker.address(), get('/api/x', ['max-forwards: 7'], 'OPTIONS'));
    await sendRaw(broker.address(), get('/api/x', ['Max-Forwards: 0']));
    await sendRaw(broker.address(), get('/api/x', ['Max-Forwards: x'], 'OPTIONS'));
    expect(requests.map((asked) => asked.field('max-forwards'))).toEqual([['6'], ['0'], ['x']]);
  });
});
