/** The tables of docs/tokens.md say what the code does. */

import { readFileSync } from 'node:fs';
import { describe, expect, test } from '@jest/globals';
import { AuthorizationServerError, type FailureClass, toAuthorizationServerError } from '../../src/authorization-server/failure.ts';
import { readTokenAnswer } from '../../src/authorization-server/token-answer.ts';
import { token } from '../../src/config/schema/tokens.ts';
import { FailureMemory } from '../../src/token/failure.ts';
import { planLifetime } from '../../src/token/renewal.ts';
import { FakeClock } from '../helpers/fake-clock.ts';

const page = readFileSync(new URL('../../docs/tokens.md', import.meta.url), 'utf8');

/** The cells of the table whose first column has that heading. */
function table(heading: string): string[][] {
  const lines = page.split('\n');
  const start = lines.findIndex((line) => line.startsWith(`| ${heading} |`));
  const rows = lines.slice(start + 2);
  return rows
    .slice(
      0,
      rows.findIndex((line) => !line.startsWith('|')),
    )
    .map((line) => line.slice(2, -2).split(' | '));
}

const good = { access_token: 'at', token_type: 'Bearer', expires_in: 3600 };
const expired = ['{}', '{"exp":1}', 'x'].map((part) => Buffer.from(part).toString('base64url')).join('.');

const ANSWERS: Record<string, readonly [status: number, body: unknown]> = {
  'status 500 or above': [503, ''],
  'status 429': [429, { error: 'invalid_client' }],
  'another status below 300': [204, ''],
  '200 that is no JSON object': [200, '<html>'],
  '4xx with `error` `temporarily_unavailable`, `server_error` or `slow_down`': [400, { error: 'slow_down' }],
  '4xx with any other `error`': [400, { error: 'invalid_scope' }],
  '401 without a readable `error`': [401, '<html>'],
  'another 4xx': [403, '<html>'],
  '3xx; never followed': [302, good],
  '200 with an `error`': [200, { ...good, error: 'x' }],
  'no `access_token`, or not a text': [200, { ...good, access_token: 7 }],
  'a token longer than `maxSize`': [200, { ...good, access_token: 'a'.repeat(9000) }],
  'a token with anything but visible ASCII': [200, { ...good, access_token: 'a b' }],
  'a JWT whose `exp` is past': [200, { ...good, access_token: expired }],
  'another `token_type`, or none': [200, { ...good, token_type: undefined }],
  'an `expires_in` below 1, or that is no number': [200, { ...good, expires_in: 0 }],
  'a `scope` without all that was asked for, with `onMissingScope: "refuse"`': [200, { ...good, scope: 'a' }],
};

function judged(status: number, body: unknown): AuthorizationServerError {
  const bytes = Buffer.from(typeof body === 'string' ? body : JSON.stringify(body));
  const scope = { scope: 'a b', onMissingScope: 'refuse' } as const;
  const rules = { maxSize: 8192, tokenTypes: ['bearer'], now: 1_800_000_000_000, grant: 'client_credentials', secrets: [], ...scope };
  try {
    readTokenAnswer({ status, field: () => undefined, body: bytes }, rules);
  } catch (error) {
    return toAuthorizationServerError(error);
  }
  throw new Error('the answer was accepted');
}

/** Seconds that a token is left alone after each of so many failures in a row. */
function pauses(failure: AuthorizationServerError, count: number): number[] {
  const memory = new FailureMemory(new FakeClock());
  return Array.from({ length: count }, () => {
    memory.remember(failure);
    return memory.leftMs / 1000;
  });
}

describe('docs/tokens.md', () => {
  test.each(table('lifetime'))('a token of %s s is renewed between %s s and %s s, and not sent from %s s', (...cells) => {
    const [lifetime = 0, earliest, latest, unusable] = cells.map(Number);
    const { renew } = token.parse({
      authorizationServer: 'as',
      grant: 'client_credentials',
      clientId: 'x',
      clientAuthentication: { secret: { fromEnv: 'X' } },
    });
    const plan = (random: number) => planLifetime(lifetime * 1000, renew, random);
    expect([plan(1).renewAtAge, plan(0).renewAtAge, plan(0).unusableAtAge].map((ms) => ms / 1000)).toEqual([earliest, latest, unusable]);
  });

  test('has a row for each kind of answer', () => {
    expect(table('answer').map(([answer]) => answer)).toEqual(Object.keys(ANSWERS));
  });

  test.each(table('answer'))('%s is %s, %s', (answer, failureClass, reason) => {
    const failure = judged(...(ANSWERS[answer] as readonly [number, unknown]));
    expect([failure.failureClass, `\`${failure.reason}\``]).toEqual([failureClass, reason]);
  });

  test.each(table('class'))('%s: %s', (failureClass, _means, answer, _atOnce, alone) => {
    const failure = new AuthorizationServerError(failureClass as FailureClass, 'x');
    expect(pauses(failure, 5).map((seconds) => `${seconds}s`)).toEqual(String(alone).replace('…', '').split(', '));
    const memory = new FailureMemory(new FakeClock());
    memory.remember(failure);
    const { code, status, retryAfterSeconds } = memory.toBrokerError();
    expect(answer).toBe(`${status} \`${code}\`${retryAfterSeconds === undefined ? '' : ' with `Retry-After`'}`);
  });

  test('a refused resource owner is left alone for ten minutes', () => {
    expect(pauses(new AuthorizationServerError('permanent', 'invalid_grant', { resourceOwnerRefused: true }), 2)).toEqual([600, 600]);
  });
});
