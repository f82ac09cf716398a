import { expect, test } from '@jest/globals';
import { trailerFields } from '../../src/upstream/fields.ts';

test('T17 neither a proof of the caller nor a nonce of the upstream passes as a trailer', () => {
  expect(trailerFields(['DPoP', 'x', 'dpop_', 'x', 'DPoP-Nonce', 'n', 'X-Sum', '1'])).toEqual(['X-Sum', '1']);
});
