/** The callers that are known by a JWT: what their tokens are like, and where the keys for them come from. */

import { hash } from 'node:crypto';
import { createIssuerKeys, type IssuerKeys, type KeysObserver } from '../authorization-server/issuer-keys.ts';
import type { Claims, JwtRules } from '../authorization-server/jwt-verification.ts';
import type { Clock } from '../clock.ts';
import type { CallerConfig, JwtConfig } from '../config/schema/callers.ts';
import type { Caller } from './caller.ts';
import { createClaimsMatcher } from './claims.ts';
import { type Demand, narrowerFirst } from './narrowest.ts';

/** A caller, and what its tokens are like. */
export interface Candidate {
  readonly caller: Caller;
  readonly keys: IssuerKeys;
  readonly rules: JwtRules;
  readonly fits: (claims: Claims) => boolean;
}

export interface Candidates {
  /** The narrowest first: the first that a token fits is meant. */
  readonly candidates: readonly Candidate[];
  /** By what decides which keys they are. */
  readonly sources: ReadonlyMap<string, IssuerKeys>;
}

/** Callers of one issuer share its keys, where they find them in the same way. */
export function readCandidates(callers: Readonly<Record<string, CallerConfig>>, clock: Clock, observer: KeysObserver): Candidates {
  const sources = new Map<string, IssuerKeys>();
  const known = Object.entries(callers)
    .flatMap(([name, { jwt }]) => (jwt === undefined ? [] : [{ name, jwt }]))
    .sort((a, b) => narrowerFirst(demandOf(a.name, a.jwt), demandOf(b.name, b.jwt)));
  const candidates = known.map(({ name, jwt }) => {
    const place = placeOf(jwt);
    const keys = sources.get(place) ?? createIssuerKeys(jwt, clock, observer);
    sources.set(place, keys);
    return candidateOf(name, jwt, keys);
  });
  return { candidates, sources };
}

function demandOf(name: string, { claims }: JwtConfig): Demand {
  const conditions = Object.values(claims).map((allowed) => ({
    values: allowed.length,
    patterns: allowed.filter((value) => typeof value === 'string').filter((value) => value.includes('*')),
  }));
  return { name, conditions };
}

function candidateOf(name: string, jwt: JwtConfig, keys: IssuerKeys): Candidate {
  const { issuer, audience, algorithms, clockTolerance: clockToleranceMs, claims } = jwt;
  return {
    caller: { name, method: 'jwt' },
    keys,
    rules: { issuer, audience, algorithms, clockToleranceMs },
    fits: createClaimsMatcher(claims),
  };
}

/** A digest of all that decides which keys are found. */
function placeOf({ issuer, jwksUri, keysMaxAge, keys, bearerToken, tls, proxy }: JwtConfig): string {
  const provenances = [keys, bearerToken, tls.ca, proxy?.password].map((secret) => secret?.provenance ?? null);
  return hash('sha256', JSON.stringify([issuer, jwksUri ?? null, keysMaxAge, proxy?.url ?? null, proxy?.username ?? null, provenances]));
}
