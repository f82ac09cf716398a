import { describe, expect, test } from '@jest/globals';
import type { Accepted, Kerberos, TicketFault } from '../../src/caller/kerberos.ts';
import { createNegotiateCheck } from '../../src/caller/negotiate.ts';
import { Keytab } from '../../src/config/keytab.ts';
import { caller } from '../../src/config/schema/callers.ts';
import { BrokerError } from '../../src/errors.ts';
import { FakeClock } from '../helpers/fake-clock.ts';
import { KERBEROS_TOKEN, NTLM_TOKEN, negotiate } from '../helpers/negotiate-tokens.ts';

const TICKET = negotiate(KERBEROS_TOKEN);
const NEVER: Kerberos = { accept: () => Promise.reject(new Error('the library was asked')) };

interface Situation {
  readonly callers?: Readonly<Record<string, string | readonly string[]>>;
  readonly service?: readonly string[];
  readonly library?: Kerberos;
  readonly clock?: FakeClock;
}

/** A check with a library that answers as it is told to, and what it told its observer. */
function situation({ callers = { ann: 'ann@EXAMPLE' }, service, library = NEVER, clock = new FakeClock() }: Situation) {
  const told: unknown[][] = [];
  const check = createNegotiateCheck({
    callers: Object.fromEntries(Object.entries(callers).map(([name, principal]) => [name, caller.parse({ negotiate: { principal } })])),
    clock,
    observer: { refused: (...facts) => told.push(facts.filter((fact) => fact !== undefined)) },
    load: () => library,
  });
  const judge = check.at('local', { keytab: new Keytab('/nowhere'), principal: service && [...service] });
  return { told, judge: async (field = TICKET) => judge(field, '127.0.0.1', 'WWW-Authenticate') };
}

const accepting = (principal: string, more: Partial<Accepted> = {}): Kerberos => ({
  accept: () => Promise.resolve({ principal, service: 'HTTP/broker.example@EXAMPLE', answer: undefined, ...more }),
});
const refusing = (fault: TicketFault): Kerberos => ({ accept: () => Promise.resolve({ fault }) });

describe('the principal of a ticket', () => {
  test.each([
    ['ann@EXAMPLE', 'ann@EXAMPLE'],
    ['host/*@EXAMPLE', 'host/web1.example@EXAMPLE'],
    ['svc-*@EXAMPLE', 'svc-batch@EXAMPLE'],
    ['*@EXAMPLE', 'ann b@EXAMPLE'],
  ])('%s is that of a caller as %s', async (pattern, principal) => {
    const { judge } = situation({ callers: { it: pattern }, library: accepting(principal) });
    expect(await judge()).toMatchObject({ name: 'it', method: 'negotiate' });
  });

  test.each([
    ['ann@EXAMPLE', 'Ann@EXAMPLE'],
    ['ann@EXAMPLE', 'ann@example'],
    ['ann@EXAMPLE', 'ann@EXAMPLE.ORG'],
    ['ann@EXAMPLE', 'joann@EXAMPLE'],
    ['ann@EXAMPLE', 'ann/admin@EXAMPLE'],
    ['*@EXAMPLE', 'ann/admin@EXAMPLE'],
    ['*@EXAMPLE', 'ann@ELSEWHERE'],
    ['*@EXAMPLE', 'ann@ELSEWHERE\\@EXAMPLE'],
    ['*@EXAMPLE', 'ann\\@ELSEWHERE@EXAMPLE'],
    ['host/*@EXAMPLE', 'host/a/b@EXAMPLE'],
    ['host/*@EXAMPLE', 'host/a\\/b@EXAMPLE'],
    ['a.n@EXAMPLE', 'ann@EXAMPLE'],
  ])('%s is not that of %s', async (pattern, principal) => {
    const { judge, told } = situation({ callers: { it: pattern }, library: accepting(principal) });
    expect(await judge()).toBe('refused');
    expect(told).toEqual([['local', 'unknown_principal', principal]]);
  });

  test.each([
    [{ a: ['x@E', 'ann@E'], b: '*@E' }, 'a'],
    [{ a: '*@E', b: ['x@E', 'ann@E'] }, 'b'],
    [{ a: 'a*@E', b: 'an*@E' }, 'b'],
  ])('is that of the narrowest caller that it fits, who may have several: of %j, %s', async (callers, meant) => {
    const { judge } = situation({ callers, library: accepting('ann@E') });
    expect(await judge()).toMatchObject({ name: meant });
  });
});

describe('a caller known by its ticket', () => {
  test('is known for one request, and its answer proves us where it asked for that', async () => {
    const { judge } = situation({ library: accepting('ann@EXAMPLE', { answer: 'oQ==' }) });
    expect(await judge()).toEqual({
      name: 'ann',
      method: 'negotiate',
      endsAt: new FakeClock().now(),
      answer: ['WWW-Authenticate', 'Negotiate oQ=='],
    });
  });

  test('is refused where its ticket is for another service of the same keytab', async () => {
    const other = accepting('ann@EXAMPLE', { service: 'host/broker.example@EXAMPLE' });
    const { judge, told } = situation({ library: other });
    expect(await judge()).toBe('refused');
    expect(told).toEqual([['local', 'other_service', 'ann@EXAMPLE']]);
    expect(await situation({ service: ['host/broker.example@EXAMPLE'], library: other }).judge()).toMatchObject({ name: 'ann' });
    expect(await situation({ service: ['HTTP/other@EXAMPLE'], library: accepting('ann@EXAMPLE') }).judge()).toBe('refused');
  });
});

describe('a token that is not accepted', () => {
  test.each([
    [negotiate(NTLM_TOKEN), 'ntlm'],
    ['Negotiate !', 'malformed'],
  ])('is refused without asking the library: %s', async (field, fault) => {
    const { judge, told } = situation({});
    expect(await judge(field)).toBe('refused');
    expect(told).toEqual([['local', fault]]);
  });

  test.each(['clock_skew', 'replay', 'expired', 'no_key', 'not_accepted'] as const)('is refused for the reason %s', async (fault) => {
    const { judge, told } = situation({ library: refusing(fault) });
    expect(await judge()).toBe('refused');
    expect(told).toEqual([['local', fault]]);
  });

  test.each(['keytab_unusable', 'replay_cache_unusable'] as const)('is neither refused nor let in for our trouble %s', async (fault) => {
    const { judge, told } = situation({ library: refusing(fault) });
    await expect(judge()).rejects.toMatchObject({ code: 'CALLER_UNVERIFIABLE', retryAfterSeconds: 2 });
    expect(told).toEqual([['local', fault]]);
  });

  test('is not waited for longer than 5 s, and one that comes too late counts for nothing', async () => {
    const clock = new FakeClock();
    const { promise, resolve } = Promise.withResolvers<Accepted>();
    const { judge, told } = situation({ library: { accept: () => promise }, clock });
    const outcome = judge().catch((error: BrokerError) => error.code);
    await clock.advance(4_999);
    expect(told).toEqual([]);
    await clock.advance(1);
    expect([await outcome, told]).toEqual(['CALLER_UNVERIFIABLE', [['local', 'no_answer']]]);
    resolve({ principal: 'ann@EXAMPLE', service: 'HTTP/broker.example@EXAMPLE', answer: undefined });
    expect(await judge()).toMatchObject({ name: 'ann' });
    expect([told.length, clock.timers]).toEqual([1, 0]);
  });

  test('waits with at most 1,000 others, and keeps nobody from elsewhere out', async () => {
    let asked = 0;
    const { promise: open, resolve } = Promise.withResolvers<void>();
    const library: Kerberos = {
      async accept() {
        asked += 1;
        await open;
        return { fault: 'not_accepted' };
      },
    };
    const check = createNegotiateCheck({ callers: {}, observer: { refused() {} }, load: () => library });
    const judge = check.at('local', { keytab: new Keytab('/nowhere'), principal: undefined });
    const outcomes: unknown[] = [];
    const from = async (address: string) => {
      outcomes.push(await Promise.resolve(judge(TICKET, address, 'x')).catch((error: BrokerError) => error.code));
    };
    const flood = Array.from({ length: 1_010 }, () => from('192.0.2.1'));
    const other = from('192.0.2.2');
    await new Promise((done) => setImmediate(done));
    expect(asked).toBe(2);
    expect(outcomes).toEqual(Array(9).fill('BROKER_OVERLOADED'));
    resolve();
    await Promise.all([...flood, other]);
    expect(outcomes.filter((outcome) => outcome === 'refused')).toHaveLength(1_002);
    expect(asked).toBe(1_002);
  });

  test('is judged with the keytab of the newest config, also under the one before', async () => {
    const judgedWith: [string, string | undefined][] = [];
    const gates: (() => void)[] = [];
    const under = (name: string) => {
      const library: Kerberos = {
        async accept() {
          // Where the library looks it up: in a thread, some time after it was asked.
          await new Promise<void>((resolve) => gates.push(resolve));
          judgedWith.push([name, process.env['KRB5_KTNAME']]);
          return { fault: 'not_accepted' };
        },
      };
      const check = createNegotiateCheck({ callers: {}, observer: { refused() {} }, load: () => library });
      const judge = check.at('local', { keytab: new Keytab(`/${name}.keytab`), principal: undefined });
      return { check, judge: async () => judge(TICKET, '192.0.2.1', 'x') };
    };
    const before = under('before');
    before.check.selectKeytab();
    const next = under('next');
    const lookUp = async (...judging: Promise<unknown>[]) => {
      while (gates.length < judging.length) await new Promise((resolve) => setImmediate(resolve));
      for (const open of gates.splice(0)) open();
      await Promise.all(judging);
    };
    await lookUp(before.judge());
    next.check.selectKeytab();
    await lookUp(next.judge(), before.judge());
    expect(judgedWith).toEqual([
      ['before', 'FILE:/before.keytab'],
      ['next', 'FILE:/next.keytab'],
      ['before', 'FILE:/next.keytab'],
    ]);
  });

  test('is no reason to start where there is no library', () => {
    const load = () => {
      throw new BrokerError('INTERNAL', 'not there', { stage: 'caller' });
    };
    const check = createNegotiateCheck({ callers: {}, observer: { refused() {} }, load });
    expect(() => check.at('local', { keytab: new Keytab('/nowhere'), principal: undefined })).toThrow('not there');
  });
});
