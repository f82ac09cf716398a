/** Fifty tenants and two fleets over one Redis: nothing of one is ever read as another's. */

import { randomBytes } from 'node:crypto';
import { expect, test } from '@jest/globals';
import { startBroker, type TestBroker } from '../helpers/broker.ts';
import { closedAfterEach } from '../helpers/closing.ts';
import { request } from '../helpers/http-client.ts';
import { startRedis } from '../helpers/redis.ts';
import { answerWith, tokenAnswer } from '../helpers/scripted-answers.ts';
import { startScriptedServer } from '../helpers/scripted-server.ts';

const closed = closedAfterEach();

const NAMES = Array.from({ length: 50 }, (_, index) => `tenant-${index}`);

test('C03 fifty tenants through one process, two layers over one Redis: no token bleeds, and the names are apart', async () => {
  const redis = await startRedis({ prefixes: ['east:', 'west:'] });
  const granted: string[] = [];
  const authorizationServer = await startScriptedServer({
    answer: (asked) => {
      const credentials = Buffer.from(asked.field('authorization')[0]?.split(' ')[1] ?? '', 'base64').toString();
      const token = `${credentials.split(':')[0]}-${granted.length}`;
      granted.push(token);
      return tokenAnswer({ access_token: token });
    },
  });
  const origin = await startScriptedServer({ answer: (asked) => answerWith(200, [], asked.field('authorization')[0]) });
  closed(redis, authorizationServer, origin);
  const key = randomBytes(32).toString('base64');
  // Server, clients and key are the same in all: only the prefix tells one fleet from the other.
  const join = async (prefix: string): Promise<TestBroker> => {
    const broker = await startBroker({
      authorizationServers: { as: { tokenEndpoint: `${authorizationServer.url}/token` } },
      tokens: Object.fromEntries(
        NAMES.map((clientId) => [
          clientId,
          {
            authorizationServer: 'as',
            grant: 'client_credentials',
            clientId,
            clientAuthentication: { secret: { unsafeInline: 'the same secret' } },
            renew: { eager: false },
          },
        ]),
      ),
      routes: Object.fromEntries(
        NAMES.map((name) => [name, { path: `/${name}`, callers: ['anonymous'], token: name, upstream: origin.url }]),
      ),
      // A slow machine must not look like a slow Redis: without it each would go on alone.
      store: {
        redis: { ...redis.access, commandTimeout: '10s' },
        prefix,
        encryption: { keys: [{ id: 'k1', key: { unsafeInline: key } }] },
      },
    });
    closed(broker);
    return broker;
  };
  /** The token that each tenant's request had, asked for by four at once. */
  const tokensAt = async (broker: TestBroker): Promise<Record<string, string>> => {
    const each = NAMES.map(async (name) => {
      const answers = await Promise.all(Array.from({ length: 4 }, () => request(`${broker.url()}/${name}/x`)));
      const texts = new Set(answers.map((answer) => answer.text().replace('Bearer ', '')));
      expect(texts.size).toBe(1);
      return [name, [...texts].join()] as const;
    });
    return Object.fromEntries(await Promise.all(each));
  };
  const [east, west] = [await join('east:'), await join('west:')];
  const [inEast, inWest] = await Promise.all([tokensAt(east), tokensAt(west)]);
  for (const name of NAMES) for (const token of [inEast[name], inWest[name]]) expect(token).toMatch(new RegExp(`^${name}-\\d+$`));
  // Each fleet has tokens of its own, and every grant's token went to one of them.
  expect([...Object.values(inEast), ...Object.values(inWest)].sort()).toEqual([...granted].sort());
  expect(granted).toHaveLength(2 * NAMES.length);
  const entries = async (prefix: string) =>
    ((await redis.command('KEYS', `${prefix}*`)) as string[]).filter((name) => /^\w+:\{[0-9a-f]{64}\}$/.test(name));
  for (const [prefix, broker] of [['east:', east] as const, ['west:', west] as const]) {
    const isLost = () => broker.log.some((line) => line['msg'] === 'store lost: serving from memory alone');
    // The last ones may still be on their way: a request does not wait for them.
    while ((await entries(prefix)).length < NAMES.length && !isLost()) await new Promise((resolve) => setTimeout(resolve, 20));
    expect((await entries(prefix)).length).toBeGreaterThan(0);
    expect((await entries(prefix)).length).toBeLessThanOrEqual(NAMES.length);
  }
  // Whoever joins a fleet finds tokens of that fleet, each under its tenant, and none of the other's.
  const joined = await join('west:');
  const inJoined = await tokensAt(joined);
  const known = new Set(Object.values(inWest));
  for (const name of NAMES) {
    expect(inJoined[name]).toMatch(new RegExp(`^${name}-\\d+$`));
    // On a machine too slow for its Redis a broker may go on alone: then the token is a new one.
    if (!known.has(inJoined[name] as string)) expect(granted.indexOf(inJoined[name] as string)).toBeGreaterThanOrEqual(2 * NAMES.length);
  }
  await joined.logged('token taken from the store');
});
