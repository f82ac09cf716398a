/** Ids of requests and traces: their form, and that none comes twice. */

import { expect, test } from '@jest/globals';
import { createRandomIds } from '../../src/telemetry/random-ids.ts';
import { createRequestId } from '../../src/telemetry/request-id.ts';
import { createTraceparent, receivedTraceparent } from '../../src/telemetry/trace-context.ts';

test('thousands of ids have the form, and each is another one', () => {
  const create = createRandomIds('a-xxxxxxxxxxxxxxxx');
  const ids = Array.from({ length: 5_000 }, create);
  expect(ids.filter((id) => !/^a-[0-9a-f]{16}$/.test(id))).toEqual([]);
  expect(new Set(ids).size).toBe(5_000);
  // Each digit comes about as often as any other: 5,000 times of 80,000.
  const digits = ids.map((id) => id.slice(2)).join('');
  for (let digit = 0; digit < 16; digit += 1) expect(digits.split(digit.toString(16)).length - 1).toBeGreaterThan(4_500);
});

test('a request is named by its caller where the name is acceptable, else by a random UUID', () => {
  const requestId = createRequestId();
  expect(requestId('mine-7')).toBe('mine-7');
  for (const given of [undefined, '', 'a b', 'ü', 'x'.repeat(129)])
    expect(requestId(given)).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-a[0-9a-f]{3}-[0-9a-f]{12}$/);
});

test('a trace goes on where it is valid and there is one, in the version that is spoken here', () => {
  const given = '0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01';
  const received = (...values: string[]) => receivedTraceparent(values.flatMap((value) => ['TraceParent', value]));
  for (const good of [`00-${given}`, `01-${given}`, `cc-${given}-what-comes-later`]) expect(received(good)).toBe(`00-${given}`);
  const broken = [
    `00-${given}-more`,
    `ff-${given}`,
    `01-${given}more`,
    `00-${'0'.repeat(32)}-b7ad6b7169203331-01`,
    given,
    '',
    `00-${given}`.toUpperCase(),
  ];
  for (const each of broken) expect(received(each)).toBe('');
  expect(received()).toBe('');
  expect(received(`00-${given}`, `00-${given}`)).toBe('');
  expect(createTraceparent()()).toMatch(/^00-[0-9a-f]{32}-[0-9a-f]{16}-00$/);
});
