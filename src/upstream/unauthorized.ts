/** When a 401 of an upstream is about the token, and what may be done about it. */

import { type Fields, fieldValue, fieldValues } from '../message.ts';

/** The token among a request's fields, as far as the forwarder must know it. */
export interface SentToken {
  /** Schemes of challenges that are about it, lower-case: the one that it was sent under, mostly. */
  readonly schemes: readonly string[];
  /** Whether it may still be sent: asked before it is sent a second time. */
  mayBeSent(): boolean;
  /** Whether a 401 about it leads to another one. */
  readonly renewable: boolean;
  /** Has a newer one sent from now on; resolves to false when there is none to be had. Never rejects. */
  renew(): Promise<boolean>;
  /** The newer one was refused too. */
  refusedAgain(): void;
  /** Takes what is to stand in the next proof. Only where each sending has a proof of possession (RFC 9449 §9). */
  readonly takeNonce: ((nonce: string) => void) | undefined;
}

/** What refusals of one request's token lead to: each remedy is tried once. */
export class Remedies {
  readonly #token: SentToken;
  readonly #canReplay: () => boolean;
  #hasNonce = false;
  #hasRenewed = false;

  /** @param canReplay whether the request could be sent again, as far as its body is concerned */
  constructor(token: SentToken, canReplay: () => boolean) {
    this.#token = token;
    this.#canReplay = canReplay;
  }

  /** For every answer, whatever its status. */
  takeNonce(fields: Fields): void {
    const { takeNonce } = this.#token;
    const nonce = takeNonce && fieldValue(fields, 'dpop-nonce');
    if (nonce !== undefined) takeNonce?.(nonce);
  }

  /** What is being done about a 401: resolves to whether the request is to be sent again. `undefined`: nothing, it is the answer. */
  start(fields: Fields): Promise<boolean> | undefined {
    if (this.#token.takeNonce !== undefined && !this.#hasNonce && asksForNonce(fields)) {
      this.#hasNonce = true;
      return this.#canReplay() && this.#token.mayBeSent() ? Promise.resolve(true) : undefined;
    }
    if (!this.#token.renewable || this.#hasRenewed || !asksForAnotherToken(fields, this.#token.schemes)) return undefined;
    const renewed = this.#token.renew();
    // A request that cannot be sent again is not helped any more; the next ones shall have another token.
    if (!this.#canReplay()) return undefined;
    return renewed.then((found) => {
      this.#hasRenewed = found;
      return found;
    });
  }

  /** The last answer was a 401 as well: where no newer one was to be had, nothing speaks against the next renewal. */
  failed(): void {
    if (this.#hasRenewed) this.#token.refusedAgain();
  }
}

/** Not about the token, or not to be mended by another one (RFC 6750 §3.1, RFC 9449 §7.1). */
const OTHER_ERROR = /error\s*=\s*"?(?:insufficient_scope|use_dpop_nonce|invalid_dpop_proof)/;

/**
 * Whether a 401 asks for another token (RFC 6750 §3): its challenge names a scheme of the token, or there is none at all. A token that lacks a
 * scope would lack it after a renewal as well, and a challenge of another scheme is not about the token.
 */
function asksForAnotherToken(fields: Fields, schemes: readonly string[]): boolean {
  const challenges = challengesIn(fields);
  const ours = challenges.find((challenge) => schemes.some((scheme) => namesScheme(challenge, scheme)));
  return ours === undefined ? challenges.length === 0 : !OTHER_ERROR.test(ours);
}

function asksForNonce(fields: Fields): boolean {
  const wanted = (challenge: string) => namesScheme(challenge, 'dpop') && /error\s*=\s*"?use_dpop_nonce/.test(challenge);
  return fieldValue(fields, 'dpop-nonce') !== undefined && challengesIn(fields).some(wanted);
}

/** Values of `WWW-Authenticate`, lower-case. */
function challengesIn(fields: Fields): string[] {
  return fieldValues(fields, 'www-authenticate').map((value) => value.toLowerCase());
}

/** A scheme stands at the beginning of a value or after a comma, and is followed by a space or nothing (RFC 9110 §11.6.1). */
function namesScheme(value: string, scheme: string): boolean {
  return value.split(',').some((part) => {
    const word = part.trim().split(' ', 1)[0];
    return word === scheme;
  });
}
