/** What the requests of a route have in common, and must not take from each other. */

import { describe, expect, test } from '@jest/globals';
import { route as routeSchema } from '../../src/config/schema/routes.ts';
import { createRoute } from '../../src/route/route.ts';
import { Destination } from '../../src/stages/exit.ts';
import { Token } from '../../src/token/token.ts';
import { FakeClock } from '../helpers/fake-clock.ts';

function destinationOf(config: Record<string, unknown> = {}, credentialsField?: string): Destination {
  const upstream = 'https://API.example:443/v1';
  const parsed = routeSchema.parse({ path: '/', token: null, upstream, ...config });
  return new Destination(createRoute('api', parsed), upstream, credentialsField);
}

const SENT = ['Authorization', 'Bearer own', 'DPoP', 'proof', 'X-Key', 'own', 'X.Key', 'own', 'X-Subject', 'own'];

/** Names of the caller's fields that go on. */
const namesOf = (fields: readonly string[]) => fields.filter((_, i) => i % 2 === 0).slice(1);

describe('the fields of a caller that go on', () => {
  const KINDS = [
    [false, false, ['Authorization', 'DPoP', 'X-Key', 'X.Key', 'X-Subject']],
    [true, false, ['DPoP', 'X-Key', 'X.Key', 'X-Subject']],
    [false, true, ['Authorization', 'X-Key', 'X.Key', 'X-Subject']],
    [true, true, ['X-Key', 'X.Key', 'X-Subject']],
  ] as const;

  test.each([
    ['in this order', KINDS],
    ['the other way round', [...KINDS].reverse()],
  ])('X01 are those of each request, whatever the one before it brought: %s', (_what, kinds) => {
    const destination = destinationOf();
    for (const [drops, hasProof, expected] of [...kinds, ...kinds])
      expect([drops, hasProof, namesOf(destination.passing(drops, hasProof)(SENT))]).toEqual([drops, hasProof, expected]);
    // What was derived is found again by it.
    expect(destination.passing(true, false)).toBe(destination.passing(true, false));
  });

  test.each([
    ['the token', { token: 'orders', inject: { header: 'X-Key' } }, undefined],
    ['a fixed field', { headers: { 'x-key': { unsafeInline: 'ours' } } }, undefined],
    ['credentials that a token was made from', {}, 'X-Key'],
  ])('N04 are not those in whose place stands %s', (_what, config, credentialsField) => {
    const names = namesOf(destinationOf(config, credentialsField).passing(false, false)(SENT));
    expect(names).toEqual(['Authorization', 'DPoP', 'X-Subject']);
  });
});

describe('the answers', () => {
  test('T17 give a nonce to the caller only where it is none of ours', () => {
    const destination = destinationOf();
    const answer = ['DPoP-Nonce', 'n', 'Location', 'https://api.example/v1/x'];
    expect([true, false].map((hasProof) => destination.answerPassing(hasProof)(answer))).toEqual([
      ['Location', '/x'],
      ['DPoP-Nonce', 'n', 'Location', '/x'],
    ]);
    expect(destinationOf({ rewriteLocation: false }).answerPassing(false)(answer)).toEqual(answer);
  });
});

describe('the upstream', () => {
  test.each([
    [undefined, 'api.example', 'https://api.example'],
    ['Other.example:8443', 'Other.example:8443', 'https://other.example:8443'],
    ['not a host', 'not a host', 'https://not a host'],
  ])('is told the Host, and proofs are for what it reads there: "hostHeader" %s', (hostHeader, host, origin) => {
    const { config, ...route } = createRoute('api', routeSchema.parse({ path: '/', token: null, upstream: 'https://API.example:443/v1' }));
    const destination = new Destination({ ...route, config: { ...config, hostHeader } }, config.upstream, undefined);
    expect([destination.host, destination.origin]).toEqual([host, origin]);
    expect(destination.passing(true, false)([])).toEqual(['host', host]);
  });

  test('is sent each token under its own name, the same section each time', () => {
    const destination = destinationOf({ token: 'orders' });
    const tokens = ['one', 'two'].map(
      (value) => new Token({ value, requestedAt: 0, lifetimeMs: 1_000, scope: undefined }, new FakeClock()),
    );
    const sections = [...tokens, ...tokens].map((token) => destination.credentials(token));
    expect(sections.slice(0, 2).map((section) => [...section])).toEqual([
      ['Authorization', 'Bearer one'],
      ['Authorization', 'Bearer two'],
    ]);
    expect([sections[2] === sections[0], sections[3] === sections[1]]).toEqual([true, true]);
  });
});
