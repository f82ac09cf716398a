import { expect, test } from '@jest/globals';
import fc from 'fast-check';
import { readReview } from '../../src/kubernetes/admission-review.ts';
import { type Manifest, podAsking, reviewOf } from './reviews.ts';

/** Every place of an object or list, itself not among them. */
function placesIn(value: Manifest, path: readonly string[] = []): string[][] {
  if (typeof value !== 'object' || value === null) return [];
  return Object.keys(value).flatMap((key) => [[...path, key], ...placesIn(value[key], [...path, key])]);
}

const review = reviewOf(podAsking({ a: 'b' }, { initContainers: [{ name: 'i', env: [{ name: 'A' }] }], volumes: [{ name: 'v' }] }));

test('a review with anything in any of its places is read or refused, and never a fault of ours', () => {
  fc.assert(
    fc.property(fc.constantFrom(...placesIn(review)), fc.jsonValue(), (place, value) => {
      const bent = structuredClone(review);
      const parent = place.slice(0, -1).reduce((at, step) => at[step], bent);
      parent[place.at(-1) as string] = value;
      const read = readReview(JSON.stringify(bent));
      expect('fault' in read ? typeof read.fault : read.uid).toMatch(/^./);
    }),
  );
});
