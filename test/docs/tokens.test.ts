/** The tables of docs/tokens.md say what the code does. */

import { readFileSync } from 'node:fs';
import { describe, expect, test } from '@jest/globals';
import { ANSWER_KINDS } from '../../src/authorization-server/answer-kinds.ts';
import { AuthorizationServerError, type FailureClass } from '../../src/authorization-server/failure.ts';
import { token } from '../../src/config/schema/tokens.ts';
import { FailureMemory } from '../../src/token/failure.ts';
import { planLifetime } from '../../src/token/renewal.ts';
import { EXAMPLES } from '../authorization-server/answer-examples.ts';
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

  test('has the table of answers of the code, row by row', () => {
    const rows = ANSWER_KINDS.map(({ answer, failureClass }) => [answer, failureClass, `\`${EXAMPLES[answer]?.reason}\``]);
    expect(table('answer')).toEqual(rows);
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

  test('one who may have been refused is tried once more after ten seconds, then left alone for ten minutes', () => {
    for (const failureClass of ['permanent', 'nonsense'] as const)
      expect(pauses(new AuthorizationServerError(failureClass, 'http_403', { resourceOwnerInDoubt: true }), 3)).toEqual([10, 600, 600]);
  });
});
