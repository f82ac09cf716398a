import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import type { Claims } from '../../src/authorization-server/jwt-verification.ts';
import { createClaimsMatcher } from '../../src/caller/claims.ts';
import { caller } from '../../src/config/schema/callers.ts';

function fits(wanted: Record<string, unknown>, claims: Claims): boolean {
  const parsed = caller.parse({ jwt: { issuer: 'https://idp.example', audience: 'a', claims: wanted } });
  return createClaimsMatcher(parsed.jwt?.claims ?? {})(claims);
}

describe('claims of a caller', () => {
  const table: [string, Record<string, unknown>, Claims, boolean][] = [
    ['the same text', { sub: 'batch' }, { sub: 'batch' }, true],
    ['another text', { sub: 'batch' }, { sub: 'batch2' }, false],
    ['another case', { sub: 'batch' }, { sub: 'Batch' }, false],
    ['none', { sub: 'batch' }, {}, false],
    ['all of several', { sub: 'batch', env: 'live' }, { sub: 'batch', env: 'live' }, true],
    ['one of several', { sub: 'batch', env: 'live' }, { sub: 'batch', env: 'test' }, false],
    ['one of those allowed', { sub: ['a', 'b'] }, { sub: 'b' }, true],
    ['a member of a list in the token', { groups: 'ops' }, { groups: ['dev', 'ops'] }, true],
    ['no member of a list in the token', { groups: 'ops' }, { groups: ['dev', 'ops2'] }, false],
    ['an empty list in the token', { groups: '*' }, { groups: [] }, false],
    ['a list that holds lists', { groups: 'ops' }, { groups: [['ops']] }, false],
    ['a word of the scope', { scope: 'orders.read' }, { scope: 'openid orders.read' }, true],
    ['a word of scp', { scp: 'orders.read' }, { scp: 'openid orders.read' }, true],
    ['a word of any other claim', { name: 'orders.read' }, { name: 'openid orders.read' }, false],
    ['part of a word of the scope', { scope: 'orders.read' }, { scope: 'orders.readwrite' }, false],
    ['true', { admin: true }, { admin: true }, true],
    ['a text that says true', { admin: true }, { admin: 'true' }, false],
    ['a number', { tenant: 7 }, { tenant: 7 }, true],
    ['a number as text', { tenant: '7' }, { tenant: 7 }, false],
    ['an object', { sub: '*' }, { sub: {} } as unknown as Claims, false],
    ['part of a name', { sub: 'batch-*' }, { sub: 'batch-7' }, true],
    ['nothing for the star', { sub: 'batch-*' }, { sub: 'batch-' }, false],
    ['a service account of one namespace', { sub: 'system:serviceaccount:shop:*' }, { sub: 'system:serviceaccount:shop:batch' }, true],
    ['one of another namespace', { sub: 'system:serviceaccount:*:batch' }, { sub: 'system:serviceaccount:evil:shop:batch' }, false],
    ['a path segment', { sub: 'spiffe://acme/ns/*/sa/x' }, { sub: 'spiffe://acme/ns/shop/sa/x' }, true],
    ['two path segments', { sub: 'spiffe://acme/ns/*/sa/x' }, { sub: 'spiffe://acme/ns/a/b/sa/x' }, false],
    ['another domain', { email: 'batch-*' }, { email: 'batch-7@evil.example' }, false],
    ['a name at the domain', { email: '*@acme.example' }, { email: 'ann@acme.example' }, true],
    ['a dot that means itself', { sub: 'a.c' }, { sub: 'abc' }, false],
    ['a line break at the end', { sub: 'batch' }, { sub: 'batch\n' }, false],
    ['a line break under the star', { sub: 'b*' }, { sub: 'b\nx' }, false],
    ['a name with dots and slashes', { 'https://acme.example/role': 'x' }, { 'https://acme.example/role': 'x' }, true],
    ['a path into objects', { '/realm_access/roles': 'ops' }, { realm_access: { roles: ['ops'] } }, true],
    ['a path with an escape', { '/kubernetes.io/a~1b~0c': 'x' }, { 'kubernetes.io': { 'a/b~c': 'x' } }, true],
    ['a path into nothing', { '/a/b/c': '*' }, { a: 'x' }, false],
    ['a path into a text', { '/sub/length': 5 }, { sub: 'batch' }, false],
    ['what every object has', { '/constructor/name': '*' }, {}, false],
    ['what every list has', { '/groups/length': 1 }, { groups: ['a'] }, false],
  ];

  test.each(table)('%s', (_what, wanted, claims, expected) => {
    expect(fits(wanted, claims)).toBe(expected);
  });

  test('several stars fit what they would by trying all ways, and take no longer for it, however the text is made', () => {
    const pattern = fc.string({ unit: fc.constantFrom('a', '-', '/', '*'), minLength: 1, maxLength: 8 });
    const text = fc.string({ unit: fc.constantFrom('a', '-', '/'), maxLength: 12 });
    fc.assert(
      fc.property(pattern, text, (wanted, sub) => {
        const allWays = new RegExp(`^${wanted.replaceAll('/', '\\/').replaceAll('*', '[^\\/]+')}$`);
        expect(fits({ sub: wanted }, { sub })).toBe(allWays.test(sub));
      }),
      { numRuns: 2_000 },
    );
    // Trying all ways takes days here, and whoever sends it has proven nothing yet.
    expect(fits({ sub: 'svc-*-*-*-*' }, { sub: `svc${'-'.repeat(6_000)}/` })).toBe(false);
  });

  test('a text without a star fits itself alone, whatever is in it', () => {
    const text = fc.string({ unit: 'grapheme', minLength: 1 }).filter((value) => !value.includes('*'));
    fc.assert(
      fc.property(text, fc.string({ unit: 'grapheme' }), (wanted, given) => {
        expect(fits({ sub: wanted }, { sub: given })).toBe(wanted === given);
        expect(fits({ sub: wanted }, { sub: wanted })).toBe(true);
      }),
    );
  });
});
