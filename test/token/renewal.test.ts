import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { token as tokenSchema } from '../../src/config/schema/tokens.ts';
import { acceptedLifetimeMs, planLifetime } from '../../src/token/renewal.ts';

function renew(overrides: Record<string, unknown> = {}) {
  return tokenSchema.parse({
    authorizationServer: 'as',
    grant: 'client_credentials',
    clientId: 'c',
    clientAuthentication: { secret: { unsafeInline: 's' } },
    renew: overrides,
  }).renew;
}

describe('renewal rule', () => {
  test('renews an hour-long token a minute ahead, and never sends it in its last five seconds', () => {
    expect(planLifetime(3_600_000, renew(), 0)).toEqual({ renewAtAge: 3_540_000, unusableAtAge: 3_595_000 });
  });

  test('renews a short token at four fifths of its life', () => {
    expect(planLifetime(10_000, renew(), 0)).toEqual({ renewAtAge: 8_000, unusableAtAge: 9_000 });
  });

  test('spreads renewals by up to a tenth of the lifetime, at most a minute', () => {
    expect(planLifetime(10_000, renew(), 1).renewAtAge).toBe(7_000);
    expect(planLifetime(86_400_000, renew(), 1).renewAtAge).toBe(86_400_000 - 120_000);
  });

  test('R09 uses a token whose life is shorter than its margins for half of that life', () => {
    const plan = planLifetime(5_000, renew({ before: '60s', hardMargin: '30s' }), 0);
    expect(plan).toEqual({ renewAtAge: 2_500, unusableAtAge: 2_500 });
    expect(planLifetime(5_000, renew({ before: '60s' }), 1)).toEqual({ renewAtAge: 2_000, unusableAtAge: 4_500 });
  });

  test('does not renew ahead where the server allows one live token', () => {
    expect(planLifetime(60_000, renew({ before: '0s' }), 0.9)).toEqual({ renewAtAge: 55_000, unusableAtAge: 55_000 });
  });

  test('always leaves time to use a token, and never a moment past its end', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1_000, max: 400_000_000 }), fc.double({ min: 0, max: 0.999, noNaN: true }), (lifetimeMs, random) => {
        const { renewAtAge, unusableAtAge } = planLifetime(lifetimeMs, renew(), random);
        expect(renewAtAge).toBeGreaterThan(Math.min(lifetimeMs, renew().maxLifetime) * 0.3);
        expect(renewAtAge).toBeLessThanOrEqual(unusableAtAge);
        expect(unusableAtAge).toBeLessThan(lifetimeMs);
      }),
    );
  });

  test('T03 believes no lifetime beyond maxLifetime and takes the default where none is stated', () => {
    expect(acceptedLifetimeMs(10 ** 15, renew())).toBe(86_400_000);
    expect(acceptedLifetimeMs(undefined, renew())).toBe(300_000);
    expect(acceptedLifetimeMs(3_600_000, renew())).toBe(3_600_000);
  });
});
