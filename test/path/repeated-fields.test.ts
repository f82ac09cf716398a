/** A connection that sends the same fields again: what was worked out of them before serves, and only where it is right. */

import { afterEach, describe, expect, test } from '@jest/globals';
import { Random } from '../fuzz/random.ts';
import { ORDERS_TOKEN, secretHash, startBroker, type TestBroker } from '../helpers/broker.ts';
import { openRaw, type RawConnection } from '../helpers/raw-client.ts';
import { answerWith, tokenAnswer } from '../helpers/scripted-answers.ts';
import { type ScriptedServer, startScriptedServer } from '../helpers/scripted-server.ts';

let origin: ScriptedServer;
let authorizationServer: ScriptedServer;
let broker: TestBroker;
afterEach(() => Promise.all([broker.close(), origin.close(), authorizationServer.close()]));

const basic = (password: string) => `Authorization: Basic ${Buffer.from(`billing:${password}`).toString('base64')}`;

/** Field sections that look alike, or are refused, or mean something else for another route. */
const SECTIONS = [
  [basic('secret'), 'X-Api-Key: mine', 'Accept: text/plain'],
  [basic('wrong!'), 'X-Api-Key: mine', 'Accept: text/plain'],
  [basic('secret'), 'X-Api-Key: ours', 'Accept: text/plain'],
  [basic('secret'), 'Connection: keep-alive, X-Api-Key', 'X-Api-Key: mine'],
  [basic('secret'), 'X-Request-Id: given-by-the-caller', 'traceparent: 00-11111111111111111111111111111111-2222222222222222-01'],
  ['Accept: text/plain'],
];
const TARGETS = ['/api/a', '/api/b?x=1', '/plain/a', '/nowhere'];

/** Without what is new for each request. */
const stable = (text: string) =>
  text
    .replace(/^(x-request-id: ).{36}$/gim, '$1-')
    // Answers of this upstream have none, and the second may be another.
    .replace(/^(date: )\w{3}, \d\d \w{3} \d{4} \d\d:\d\d:\d\d GMT$/gim, '$1-')
    .replace(/"requestId":".{36}"/g, '"requestId":"-"')
    .replace(/^(traceparent: 00-)[0-9a-f]{32}-[0-9a-f]{16}-00$/gim, '$1-');

interface Seen {
  /** What reached the upstream, if anything did. */
  readonly forwarded: string | undefined;
  readonly answer: string;
}

/** Sends one request on a connection that may have carried others. */
async function exchangeOn(connection: RawConnection, target: string, section: readonly string[]): Promise<Seen> {
  const from = connection.text().length;
  const before = origin.requests.length;
  connection.write(`GET ${target} HTTP/1.1\r\nHost: localhost\r\n${section.join('\r\n')}\r\n\r\n`);
  const isWhole = (text: string) => {
    const [, head = '', body = ''] = /^(.*?)\r\n\r\n(.*)$/s.exec(text.slice(from)) ?? [];
    return head !== '' && body.length === Number(/^content-length: (\d+)$/im.exec(head)?.[1]);
  };
  const text = await connection.waitFor(isWhole);
  return { forwarded: origin.requests[before] && stable(origin.requests[before].head), answer: stable(text.slice(from)) };
}

async function start(): Promise<void> {
  origin = await startScriptedServer({
    answer: ({ target }) => {
      // Answers repeat too, and change on the same connection.
      const fields = target.startsWith('/b')
        ? []
        : [`Location: http://127.0.0.1:${new URL(origin.url).port}${target}`, 'Keep-Alive: timeout=60'];
      return answerWith(target.includes('204') ? 204 : 200, fields, 'ok');
    },
  });
  authorizationServer = await startScriptedServer({ answer: () => tokenAnswer() });
  const route = { callers: ['*'], upstream: origin.url, rewriteLocation: true };
  broker = await startBroker({
    listeners: { local: { address: '127.0.0.1:0', authenticate: ['basic'] } },
    callers: { billing: { basic: { passwordHash: await secretHash() } } },
    authorizationServers: { as: { tokenEndpoint: `${authorizationServer.url}/token` } },
    tokens: { orders: ORDERS_TOKEN },
    routes: {
      api: { ...route, path: '/api', token: 'orders' },
      plain: { ...route, path: '/plain', token: null, headers: { 'x-api-key': { unsafeInline: 'ours' } } },
    },
  });
}

describe('fields that repeat on a connection', () => {
  test('lead to the same request and the same answer as on a connection of their own, in whatever order they come', async () => {
    await start();
    const random = new Random(16);
    const kept = await openRaw(broker.address());
    const expected = new Map<string, string>();
    const kinds = TARGETS.flatMap((target) => SECTIONS.map((section) => ({ target, section })));
    for (const { target, section } of kinds) {
      const fresh = await openRaw(broker.address());
      expected.set(JSON.stringify([target, section]), JSON.stringify(await exchangeOn(fresh, target, section)));
      fresh.reset();
    }
    let kind = random.pick(kinds);
    for (let i = 0; i < 400; i += 1) {
      // Mostly the same again, sometimes for another target, sometimes something else.
      if (random.chance(3)) kind = { ...kind, target: random.pick(TARGETS) };
      if (random.chance(4)) kind = random.pick(kinds);
      const seen = JSON.stringify(await exchangeOn(kept, kind.target, kind.section));
      expect(seen).toBe(expected.get(JSON.stringify([kind.target, kind.section])));
    }
    kept.reset();
  });

  test('a password that is changed is refused from then on, however often it was accepted before', async () => {
    await start();
    const kept = await openRaw(broker.address());
    const statuses: string[] = [];
    for (const password of ['secret', 'secret', 'secret', 'other', 'secret', 'other', 'other'])
      statuses.push((await exchangeOn(kept, '/api/a', [basic(password)])).answer.slice(9, 12));
    expect(statuses).toEqual(['200', '200', '200', '401', '200', '401', '401']);
    kept.reset();
  });
});
