import { describe, expect, test } from '@jest/globals';
import type { Caller } from '../../../src/caller/caller.ts';
import { BrokerError, type ErrorCode } from '../../../src/errors.ts';
import { type CallerRequest, fieldValue } from '../../../src/message.ts';
import { askingCaller } from '../../../src/service/token-endpoint/client-credentials.ts';

const basic = (text: string) => `Basic ${Buffer.from(text).toString('base64')}`;
const refusal = (code: ErrorCode) => new BrokerError(code, 'no', { stage: 'caller' });
const BILLING: Caller = { name: 'billing', method: 'basic' };

/** The user names and passwords that are tried, in turn, until `judge` lets one in. */
async function tried(
  authorization: string | undefined,
  form: Record<string, string> = {},
  judge = (): BrokerError | undefined => undefined,
) {
  const attempts: (string | undefined)[] = [];
  const request = { fields: authorization === undefined ? [] : ['Authorization', authorization] } as unknown as CallerRequest;
  const outcome = await askingCaller(request, new Map(Object.entries(form)), ({ fields }) => {
    const value = fieldValue(fields, 'authorization');
    attempts.push(value?.startsWith('Basic ') ? Buffer.from(value.slice('Basic '.length), 'base64').toString() : value);
    const error = judge();
    if (error !== undefined) throw error;
    return BILLING;
  }).catch((error: BrokerError) => error.code);
  return { attempts, outcome };
}

const refuseAll = () => refusal('CALLER_UNAUTHENTICATED');

describe('credentials', () => {
  test.each([
    ['without percent signs and plus', 'a:b/=~ ä', ['a:b/=~ ä']],
    ['with a percent sign that encodes nothing', 'a:100%', ['a:100%']],
    ['with one that encodes no UTF-8', 'a:%ff', ['a:%ff']],
    ['with a plus', 'a:b+c', ['a:b c', 'a:b+c']],
    ['with an encoded password', 'a:b%2Bc', ['a:b+c', 'a:b%2Bc']],
    ['with an encoded name', 'a%20b:c', ['a b:c', 'a%20b:c']],
    ['with a name that would end elsewhere', 'a%3Ab:c', ['Basic', 'a%3Ab:c']],
  ])('%s are tried in each spelling once, the one of OAuth first', async (_what, text, attempts) => {
    expect(await tried(basic(text), {}, refuseAll)).toEqual({ attempts, outcome: 'CALLER_UNAUTHENTICATED' });
    expect(await tried(basic(text))).toEqual({ attempts: attempts.slice(0, 1), outcome: BILLING });
  });

  test('are not tried in another spelling where the first was not judged at all', async () => {
    const overloaded = await tried(basic('a:b+c'), {}, () => refusal('BROKER_OVERLOADED'));
    expect(overloaded).toEqual({ attempts: ['a:b c'], outcome: 'BROKER_OVERLOADED' });
  });

  test('that are malformed go on as they are, to be refused', async () => {
    expect((await tried('Basic !', {}, refuseAll)).attempts).toEqual([Buffer.from('!', 'base64').toString()]);
    expect((await tried(undefined)).attempts).toEqual([undefined]);
  });

  test('in the form are taken as they are: it has been decoded', async () => {
    expect((await tried(undefined, { client_id: 'a', client_secret: 'b+c%20' }, refuseAll)).attempts).toEqual(['a:b+c%20']);
    expect((await tried(undefined, { client_id: 'a:b', client_secret: 'c' }, refuseAll)).attempts).toEqual(['Basic']);
  });

  test('name one client: beside Basic, "client_id" is its user name in either spelling', async () => {
    expect((await tried(basic('a%20b:c'), { client_id: 'a b' })).outcome).toEqual(BILLING);
    expect((await tried(basic('a%20b:c'), { client_id: 'a%20b' })).outcome).toEqual(BILLING);
    expect(await tried(basic('a%20b:c'), { client_id: 'billing' })).toEqual({ attempts: [], outcome: 'REQUEST_INVALID' });
  });
});
