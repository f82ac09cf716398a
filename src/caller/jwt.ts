/** Recognises a caller by the JWT that it sends as bearer token, and remembers the outcome so that signatures are checked once. */

import { toAuthorizationServerError } from '../authorization-server/failure.ts';
import type { IssuerKeys, KeySet, KeysObserver } from '../authorization-server/issuer-keys.ts';
import { type Claims, type JwtFault, type JwtVerdict, readClaims, verifyJwt } from '../authorization-server/jwt-verification.ts';
import { type Clock, systemClock } from '../clock.ts';
import type { CallerConfig } from '../config/schema/callers.ts';
import { BrokerError } from '../errors.ts';
import type { Fields } from '../message.ts';
import { RecentMap } from '../recent-map.ts';
import type { Caller, Verdict } from './caller.ts';
import { CredentialsDigest } from './credentials-digest.ts';
import { type Candidate, type Candidates, readCandidates } from './jwt-candidates.ts';

export interface JwtCheck {
  /**
   * Judges the value of an `Authorization` field of the Bearer scheme; at once when the outcome is remembered. Rejects with
   * CALLER_UNVERIFIABLE where the keys cannot be had, with BROKER_OVERLOADED where too many tokens wait.
   *
   * @param section where it stands as `Authorization`, if it does
   */
  judge(authorization: string, section?: Fields): Verdict | Promise<Verdict>;
  /** Begins to read the keys, so that nobody has to wait for them. */
  warmUp(): void;
  /** Goes on with the keys of the check before this one, so that a changed config needs no issuer to be there. */
  follow(before: JwtCheck): void;
  readonly sources: Candidates['sources'];
  close(): Promise<void>;
}

export interface JwtCheckOptions {
  readonly callers: Readonly<Record<string, CallerConfig>>;
  readonly clock?: Clock;
  readonly observer: KeysObserver;
  readonly onRefused?: (fault: TokenFault) => void;
}

/** Why nobody was let in by a token; the caller is not told. */
export type TokenFault = JwtFault | 'unknown_issuer' | 'unknown_claims';

interface Known {
  readonly source: IssuerKeys;
  /** Of the source, when it was verified. */
  readonly keys: KeySet;
  readonly caller: Caller & { readonly endsAt: number };
}

/** RFC 7519 names no limit; no known issuer comes near this. */
const MAX_TOKEN = 8 * 1024;
const MAX_KNOWN = 10_000;
/** For the keys of one issuer: as many as may wait for a token of the config. */
const MAX_WAITING = 1_000;
const RETRY_AFTER_SECONDS = 2;

export function createJwtCheck({ callers, clock = systemClock, observer, onRefused = () => {} }: JwtCheckOptions): JwtCheck {
  const { candidates, sources } = readCandidates(callers, clock, observer);
  const digests = new CredentialsDigest();
  const known = new RecentMap<Known>(MAX_KNOWN);
  const running = new Map<string, Promise<Verdict>>();
  const inLine = createLines();

  async function verify(digest: string, token: string): Promise<Verdict> {
    const claims = readClaims(token);
    if (claims === undefined) return refuse('malformed');
    const verifyBy: VerifyBy = ({ keys: source, rules }) =>
      inLine(source, () => verifyJwt(token, source, rules, clock.now()).catch(unverifiable));
    const found = await findCaller(claims, candidates, verifyBy);
    if (typeof found === 'string') return refuse(found);
    known.set(digest, found);
    return found.caller;
  }

  function refuse(fault: TokenFault): Verdict {
    onRefused(fault);
    return 'refused';
  }

  function judge(digest: string, authorization: string): Verdict | Promise<Verdict> {
    const token = /^bearer +([\w-]+\.[\w-]+\.[\w-]+)$/i.exec(authorization)?.[1];
    if (token === undefined || token.length > MAX_TOKEN) return refuse('malformed');
    const shared = running.get(digest);
    if (shared !== undefined) return shared;
    const verdict = verify(digest, token).finally(() => running.delete(digest));
    running.set(digest, verdict);
    return verdict;
  }

  return {
    judge(authorization, section) {
      const digest = digests.of(authorization, section);
      const found = known.get(digest);
      const holds = found !== undefined && found.source.current() === found.keys && clock.now() < found.caller.endsAt;
      return holds ? found.caller : judge(digest, authorization);
    },
    warmUp() {
      for (const keys of sources.values()) keys.current();
    },
    sources,
    follow(before) {
      for (const [place, keys] of sources) {
        const old = before.sources.get(place);
        if (old !== undefined) keys.follow(old);
      }
    },
    async close() {
      await Promise.all([...sources.values()].map((keys) => keys.close()));
    },
  };
}

type VerifyBy = (candidate: Candidate) => Promise<JwtVerdict>;

/** Whom a token is for is looked at before its signature, so that nobody has keys fetched with a token that fits nobody. */
async function findCaller(claims: Claims, candidates: readonly Candidate[], verifyBy: VerifyBy): Promise<Known | TokenFault> {
  let fault: TokenFault = candidates.some(({ rules }) => rules.issuer === claims.iss) ? 'unknown_claims' : 'unknown_issuer';
  // Who makes a token up can have it fit many callers: it costs the signature once.
  const others = new Set<IssuerKeys>();
  for (const candidate of candidates) {
    const { caller, keys: source, rules, fits } = candidate;
    if (claims.iss !== rules.issuer || others.has(source) || !fits(claims)) continue;
    const verified = await verifyBy(candidate);
    if (verified === 'forged') others.add(source);
    if (typeof verified === 'string') fault = verified;
    else return { source, keys: verified.keys, caller: { ...caller, endsAt: verified.endsAt } };
  }
  return fault;
}

/** How many wait for keys, by those keys: an issuer in trouble holds up no caller of another one. */
function createLines(): (keys: IssuerKeys, verify: () => Promise<JwtVerdict>) => Promise<JwtVerdict> {
  const waiting = new Map<IssuerKeys, number>();
  return async (keys, verify) => {
    const count = waiting.get(keys) ?? 0;
    if (count >= MAX_WAITING) throw overloaded();
    waiting.set(keys, count + 1);
    try {
      return await verify();
    } finally {
      waiting.set(keys, (waiting.get(keys) as number) - 1);
    }
  };
}

/** Whether a token is good is not known without keys, so it is neither refused nor let in. */
export function unverifiable(cause: unknown): never {
  throw new BrokerError('CALLER_UNVERIFIABLE', "the keys of the token's issuer cannot be had at the moment: try again later", {
    stage: 'caller',
    cause: toAuthorizationServerError(cause),
    retryAfterSeconds: RETRY_AFTER_SECONDS,
  });
}

function overloaded(): BrokerError {
  return new BrokerError('BROKER_OVERLOADED', 'too many tokens are being checked at the moment: try again', {
    stage: 'caller',
    retryAfterSeconds: 1,
  });
}
