/** A token: an immutable value that knows when it was asked for and how long it lasts. */

import { hash } from 'node:crypto';
import { inspect } from 'node:util';
import type { Clock } from '../clock.ts';
import type { DpopKey } from './dpop-key.ts';

export interface TokenFacts {
  readonly value: string;
  /** Wall clock when the request was sent, milliseconds since the epoch. */
  readonly requestedAt: number;
  readonly lifetimeMs: number;
  readonly scope: string | undefined;
  /** What was asked for and not granted, where that is known. */
  readonly missingScope?: readonly string[];
  /** What it is bound to: it is worth nothing without a proof by this key. */
  readonly dpopKey?: DpopKey | undefined;
  readonly upstreamOrigin?: string | undefined;
}

/** Shows itself only by its fingerprint; the value is read through `reveal()` at the moment it is written out. */
export class Token {
  readonly #value: string;
  readonly requestedAt: number;
  readonly lifetimeMs: number;
  readonly scope: string | undefined;
  readonly missingScope: readonly string[];
  readonly dpopKey: DpopKey | undefined;
  /** Where this token is to be used, when its answer said so: it belongs nowhere else. */
  readonly upstreamOrigin: string | undefined;
  /** The first 8 hex digits of the value's SHA-256: what logs and pages call the token. */
  readonly fingerprint: string;
  /** Monotonic clock of this process when the request was sent. */
  readonly #requestedMonotonic: number;

  constructor(facts: TokenFacts, clock: Clock) {
    this.#value = facts.value;
    this.requestedAt = facts.requestedAt;
    this.lifetimeMs = facts.lifetimeMs;
    this.scope = facts.scope;
    this.missingScope = facts.missingScope ?? [];
    this.dpopKey = facts.dpopKey;
    this.upstreamOrigin = facts.upstreamOrigin;
    this.fingerprint = hash('sha256', facts.value).slice(0, 8);
    this.#requestedMonotonic = clock.monotonic() - Math.max(0, clock.now() - facts.requestedAt);
  }

  reveal(): string {
    return this.#value;
  }

  /** The authentication scheme that it is sent under (RFC 6750 §2.1, RFC 9449 §7.1). */
  get scheme(): 'Bearer' | 'DPoP' {
    return this.dpopKey === undefined ? 'Bearer' : 'DPoP';
  }

  /**
   * Milliseconds since the request was sent: the larger of what both clocks say, since the wall clock may be set back
   * and the monotonic one stands still while the host is suspended.
   */
  ageMs(clock: Clock): number {
    return Math.max(clock.now() - this.requestedAt, clock.monotonic() - this.#requestedMonotonic);
  }

  toString(): string {
    return `[token ${this.fingerprint}]`;
  }

  toJSON(): string {
    return this.toString();
  }

  [inspect.custom](): string {
    return this.toString();
  }
}
