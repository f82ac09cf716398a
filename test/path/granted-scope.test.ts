/** An authorization server that grants another scope than it was asked for (RFC 6749 §3.3 and §5.1). */

import { afterEach, describe, expect, test } from '@jest/globals';
import { type Scene, startScene } from '../helpers/broker.ts';
import { request } from '../helpers/http-client.ts';
import { tokenAnswer } from '../helpers/scripted-answers.ts';

let scene: Scene;
afterEach(() => scene.close());

/** Asks for `a b` unless told otherwise; gives the status of the answer, and the line of the grant, if there was one. */
async function granted(scope: unknown, tokenConfig: Record<string, unknown> = {}) {
  scene = await startScene({ token: () => tokenAnswer({ scope }), tokenConfig: { scope: 'a b', ...tokenConfig } });
  const { status } = await request(`${scene.url()}/api/x`);
  return { status, line: scene.log.find((line) => line['msg'] === 'token granted') };
}

describe('another scope than was asked for', () => {
  const LESS = [
    ['narrower', 'b', 'a'],
    ['different', 'c d', 'a b'],
    ['partly different', 'b c', 'a'],
    ['empty', '', 'a b'],
    ['in other case', 'A b', 'a'],
    ['no text', 7, 'a b'],
  ] as const;

  test.each(LESS)('T14 one that is %s is used, and warned about by its names', async (_what, scope, missingScope) => {
    const { status, line } = await granted(scope);
    expect(status).toBe(200);
    expect(line).toMatchObject({ level: 'warn', token: 'orders', scope: typeof scope === 'string' ? scope : '', missingScope });
  });

  test.each(LESS)('T14 one that is %s is not used where the token says so', async (_what, scope, _missing) => {
    const { status, line } = await granted(scope, { onMissingScope: 'refuse' });
    expect([status, line]).toEqual([502, undefined]);
    expect(await scene.logged('token not granted')).toMatchObject({ class: 'nonsense', reason: 'scope_missing' });
    expect(scene.origin.requests).toHaveLength(0);
  });

  test.each([
    ['absent', undefined, 'a b'],
    ['null', null, 'a b'],
    ['in another order', 'b a', 'b a'],
    ['with more', 'a offline b', 'a offline b'],
  ])('T14 one that is %s lacks nothing, and stands in the log', async (_what, scope, shown) => {
    const { status, line } = await granted(scope, { onMissingScope: 'refuse' });
    expect([status, line?.['level'], line?.['scope']]).toEqual([200, 'info', shown]);
    expect(line).not.toHaveProperty('missingScope');
  });

  test('T14 where none was asked for, what is granted is recorded', async () => {
    const { status, line } = await granted('a', { scope: undefined, onMissingScope: 'refuse' });
    expect([status, line?.['level'], line?.['scope']]).toEqual([200, 'info', 'a']);
  });

  test('X01 a scope that repeats secrets or the token shows none of them, and what was asked for stays', async () => {
    const { line } = await granted('a orders-secret b x-scripted-access-token', { scope: 'a b' });
    expect(line).toMatchObject({ level: 'info', scope: 'a [secret] b x-[secret]' });
  });
});
