/**
 * The attack: whoever reads the log of a crash collects what the error held. Node itself would print the message, the properties and the
 * line of code of what was thrown.
 */

import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { PASSWORD_HASH } from '../config/fixture.ts';
import { type BrokerProcess, spawnBroker } from '../helpers/broker-process.ts';
import { type Canaries, createCanaries } from '../helpers/canaries.ts';

const source = (path: string) => JSON.stringify(new URL(`../../src/${path}`, import.meta.url).href);

/** Throws something that holds a secret wherever it can, by a way out that nobody watches: once started, or while the config is loaded. */
const FAULT = `
import { Broker } from ${source('broker.ts')};
import { Secret } from ${source('config/secret.ts')};
const secret = process.env.CANARY;
const thrown = {
  error: Object.assign(new TypeError('cannot send ' + secret, { cause: new Error(secret) }), { body: secret, headers: { authorization: secret } }),
  text: secret,
  object: { access_token: secret, toString: () => secret },
  named: Object.assign(new Error('x'), { name: secret, code: secret, stack: secret + '\\n    at x (' + secret + ')', said: secret, syscall: secret }),
};
const fail = {
  throw: (what) => setImmediate(() => { throw what; }),
  reject: (what) => void Promise.reject(what),
};
const act = () => fail[process.env.WAY](thrown[process.env.WHAT]);
const start = Broker.prototype.start;
if (process.env.WHEN === 'started') Broker.prototype.start = async function (...given) {
  await start.apply(this, given);
  act();
};
else Secret.prototype.fill = () => {
  if (process.env.WAY === 'here') throw thrown[process.env.WHAT];
  act();
};
`;

let canaries: Canaries;
let broker: BrokerProcess | undefined;
beforeEach(() => {
  canaries = createCanaries();
});
afterEach(() => broker?.close());

async function crashed(env: Record<string, string>, command: 'start' | 'dev' | 'check' = 'start'): Promise<BrokerProcess> {
  broker = await spawnBroker({
    command,
    files: { 'fault.mjs': FAULT },
    nodeArgs: ['--import', './fault.mjs'],
    env: { WHEN: 'started', ...env, CANARY: canaries.plant('in-the-error'), HASH: PASSWORD_HASH },
    config: {
      listeners: { local: { address: '127.0.0.1:0', authenticate: ['basic'] } },
      callers: { app: { basic: { passwordHash: { fromEnv: 'HASH' } } } },
    },
  });
  return broker;
}

describe('the last words of a crash', () => {
  test.each([
    ['throw', 'error'],
    ['throw', 'text'],
    ['throw', 'named'],
    ['reject', 'error'],
    ['reject', 'object'],
  ])('X09 %s of %s: say that it crashed and where, hold no secret, and the exit code is 1', async (way, what) => {
    const ended = await crashed({ WAY: way, WHAT: what });
    expect(await ended.exited).toEqual({ code: 1, signal: null });
    expect(ended.log().at(-1)).toMatchObject({ level: 'fatal', msg: 'crashed', err: { name: expect.any(String) } });
    expect(canaries.find(ended.stdout() + ended.stderr())).toEqual([]);
  });

  test.each([
    ['start', 'here', 'error'],
    ['start', 'reject', 'text'],
    ['check', 'throw', 'named'],
    ['check', 'here', 'object'],
  ] as const)('X09 of "%s" before there is a log, %s of %s: the same, on stderr', async (command, way, what) => {
    const ended = await crashed({ WAY: way, WHAT: what, WHEN: 'loading' }, command);
    expect(await ended.exited).toEqual({ code: 1, signal: null });
    expect(ended.stderr()).toMatch(/^crashed: \{"name":/);
    expect(canaries.find(ended.stdout() + ended.stderr())).toEqual([]);
  });

  test('X09 of "dev": the same, for people', async () => {
    const ended = await crashed({ WAY: 'throw', WHAT: 'error' }, 'dev');
    expect(await ended.exited).toEqual({ code: 1, signal: null });
    expect(ended.stdout()).toMatch(/crashed .*TypeError/);
    expect(canaries.find(ended.stdout() + ended.stderr())).toEqual([]);
  });
});
