/** Compares the claims of a token with those that a caller is known by. */

import type { Claims } from '../authorization-server/jwt-verification.ts';
import type { JwtConfig } from '../config/schema/callers.ts';
import { claimPattern } from '../config/wildcard.ts';

type Allowed = JwtConfig['claims'][string][number];

/** Whether each claim of the config fits. */
export function createClaimsMatcher(wanted: JwtConfig['claims']): (claims: Claims) => boolean {
  const conditions = Object.entries(wanted).map(([name, allowed]) => {
    const tests = allowed.map(testFor);
    return (claims: Claims) => membersOf(name, claimAt(claims, name)).some((value) => tests.some((test) => test(value)));
  });
  return (claims) => conditions.every((condition) => condition(claims));
}

function testFor(allowed: Allowed): (value: unknown) => boolean {
  if (typeof allowed !== 'string') return (value) => value === allowed;
  const pattern = claimPattern(allowed);
  return (value) => typeof value === 'string' && pattern.test(value);
}

/** A name that begins with "/" leads into objects, step by step (RFC 6901). */
function claimAt(claims: Claims, name: string): unknown {
  if (!name.startsWith('/')) return own(claims, name);
  const steps = name.slice(1).split('/');
  return steps.map((step) => step.replaceAll('~1', '/').replaceAll('~0', '~')).reduce(own, claims as unknown);
}

function own(value: unknown, key: string): unknown {
  const isThere = typeof value === 'object' && value !== null && !Array.isArray(value) && Object.hasOwn(value, key);
  return isThere ? (value as Record<string, unknown>)[key] : undefined;
}

/** Lists fit by any of their members; RFC 8693 §4.2 writes the list of scopes as words. */
function membersOf(name: string, value: unknown): readonly unknown[] {
  if (Array.isArray(value)) return value;
  return (name === 'scope' || name === 'scp') && typeof value === 'string' ? value.split(' ') : [value];
}
