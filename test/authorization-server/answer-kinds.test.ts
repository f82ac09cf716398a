/** The table of answers, walked row by row: each answer is of exactly one kind, or holds a token that may be used. */

import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { answerFacts } from '../../src/authorization-server/answer-facts.ts';
import { ANSWER_KINDS } from '../../src/authorization-server/answer-kinds.ts';
import { AuthorizationServerError } from '../../src/authorization-server/failure.ts';
import { readTokenAnswer, type TokenAnswer } from '../../src/authorization-server/token-answer.ts';
import { type AnswerExample, answerOf, EXAMPLES, EXPIRED_JWT, GOOD, rulesFor } from './answer-examples.ts';

function read(example: Omit<AnswerExample, 'reason'>): TokenAnswer | AuthorizationServerError {
  try {
    return readTokenAnswer(answerOf(example), rulesFor(example));
  } catch (error) {
    if (error instanceof AuthorizationServerError) return error;
    throw error;
  }
}

/** What servers say, and what they should not: each member right, wrong, or not there. */
const member = (...values: unknown[]) => fc.constantFrom(undefined, null, 7, true, '', 'x', [], {}, ...values);
const bodies = fc.oneof(
  fc.constantFrom('', '<html>', '[]', 'null', '{"access_token":"a'),
  fc.record({
    access_token: member('at', 'a b', 'a'.repeat(9000), EXPIRED_JWT),
    token_type: member('Bearer', 'bearer', 'DPoP', 'mac', 'N_A'),
    expires_in: member(3600, 0, -1, '3600', '3600abc', 0.5, 1e12),
    error: fc.option(member('invalid_client', 'slow_down', 'an odd one'), { nil: undefined, freq: 3 }),
  }),
  fc.constant(GOOD),
);
const statuses = fc.oneof(fc.constant(200), fc.integer({ min: 200, max: 599 }));

describe('the table of answers', () => {
  test('T05 has an example of each row, in its order', () => {
    expect(Object.keys(EXAMPLES)).toEqual(ANSWER_KINDS.map(({ answer }) => answer));
  });

  test.each(ANSWER_KINDS.map((kind) => [kind.answer, kind] as const))('T05 %s is of one class', (answer, { failureClass }) => {
    const example = EXAMPLES[answer] as AnswerExample;
    const facts = answerFacts(answerOf(example), rulesFor(example));
    expect(ANSWER_KINDS.find(({ fits }) => fits(facts))?.answer).toBe(answer);
    expect(read(example)).toMatchObject({ failureClass, reason: example.reason });
  });

  test('T05 no row fits an acceptable answer', () => {
    const facts = answerFacts(answerOf({ status: 200, body: GOOD }), rulesFor());
    expect(ANSWER_KINDS.filter(({ fits }) => fits(facts))).toEqual([]);
    expect(read({ status: 200, body: GOOD })).toMatchObject({ accessToken: 'at', lifetimeMs: 3_600_000 });
  });

  test.each(['7', '"text"', 'true', 'null', '[]'])('T05 %s is JSON, but no answer: it may pass by itself', (body) => {
    expect(read({ status: 200, body })).toMatchObject({ failureClass: 'transient', reason: 'answer_unreadable' });
  });

  test('T17 with a proof of possession no other type than DPoP is acceptable, and without one DPoP is not', () => {
    const typed = (token_type: string, dpop: boolean) => read({ status: 200, body: { ...GOOD, token_type }, rules: { dpop } });
    for (const dpop of [true, false]) {
      expect(typed('DPoP', dpop)).toMatchObject(dpop ? { accessToken: 'at' } : { reason: 'token_type_unexpected' });
      expect(typed('Bearer', dpop)).toMatchObject(dpop ? { reason: 'token_type_unexpected' } : { accessToken: 'at' });
    }
  });

  test('T05 whatever a server answers is a failure of one class, or a token that may be used', () => {
    fc.assert(
      fc.property(statuses, bodies, fc.boolean(), fc.boolean(), (status, body, tooLarge, dpop) => {
        const found = read({ status, body, tooLarge, rules: { dpop } });
        if (found instanceof AuthorizationServerError) {
          expect(['transient', 'permanent', 'nonsense']).toContain(found.failureClass);
          expect(found.reason).toMatch(/^[a-z0-9_]{1,64}$/);
        } else {
          expect([status, tooLarge]).toEqual([200, false]);
          expect((body as typeof GOOD).token_type.toLowerCase()).toBe(dpop ? 'dpop' : 'bearer');
          expect(found.accessToken).toMatch(/^[\x21-\x7e]{1,8192}$/);
          expect(found.lifetimeMs ?? 1_000).toBeGreaterThanOrEqual(1_000);
        }
      }),
      { numRuns: 2_000 },
    );
  });
});
