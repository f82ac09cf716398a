/** From when until when certificates and revocation lists are good, and from when on they are late to be replaced. */

import { X509Certificate } from 'node:crypto';
import { pemBlocks } from './pem.ts';
import { revocationPeriod } from './revocation-list.ts';

/** Milliseconds since the epoch. */
export interface Validity {
  readonly notBeforeAt: number;
  /** It was to be replaced before, whoever does that. */
  readonly endingAt: number;
  readonly notAfterAt: number;
}

export type ValidityState = 'good' | 'future' | 'ending' | 'ended';

/** Of a certificate the last fifth of its life; of a long life, two weeks are enough to act. */
const CERTIFICATE_ENDING_SHARE = 1 / 5;
const CERTIFICATE_ENDING_MS = 14 * 86_400_000;
/** Lists are written anew late by design: by Microsoft's CA when a tenth of their period is left. */
const LIST_ENDING_SHARE = 1 / 20;
/** The end of what has none (RFC 5280 §4.1.2.5). */
const NEVER = Date.UTC(9999, 11, 31, 23, 59, 59);

/** @param now milliseconds since the epoch */
export function validityState({ notBeforeAt, endingAt, notAfterAt }: Validity, now: number): ValidityState {
  if (now >= notAfterAt) return 'ended';
  if (now < notBeforeAt) return 'future';
  return now > endingAt ? 'ending' : 'good';
}

/** Of a certificate with the chain that comes with it, in PEM: while all that its path needs is good. `undefined` where it cannot be read. */
export function chainValidity(pem: string): Validity | undefined {
  return whileAll(pathOf(certificatesIn(pem)).map(certificateValidity));
}

/** Of certificates that are trusted, in PEM: while any is good, since old ones stay beside those that follow them. `undefined` where one cannot be read. */
export function trustValidity(pem: string): Validity | undefined {
  const all = certificatesIn(pem).map(certificateValidity);
  return dated({
    notBeforeAt: Math.min(...all.map(({ notBeforeAt }) => notBeforeAt)),
    endingAt: Math.max(...all.map(({ endingAt }) => endingAt)),
    notAfterAt: Math.max(...all.map(({ notAfterAt }) => notAfterAt)),
  });
}

/** Of revocation lists in PEM: while all are good, since each is of another CA. `undefined` where one cannot be read. */
export function revocationValidity(pem: string): Validity | undefined {
  return whileAll(pemBlocks(pem, 'X509 CRL').map(listValidity));
}

/** None where one of them cannot be read. */
function certificatesIn(pem: string): X509Certificate[] {
  try {
    return pemBlocks(pem, 'CERTIFICATE').map((block) => new X509Certificate(block));
  } catch {
    return [];
  }
}

/** The leaf, and of those behind it the issuers that its path needs: peers take a root from nobody, and ignore what is on no path. */
function pathOf([leaf, ...others]: readonly X509Certificate[]): X509Certificate[] {
  if (leaf === undefined) return [];
  const issuers = others.filter((other) => leaf.checkIssued(other) && !other.checkIssued(other));
  // One that is there twice, before and after it was renewed, is found by peers as long as either is good.
  const [issuer] = issuers.sort((a, b) => Date.parse(b.validTo) - Date.parse(a.validTo));
  return issuer === undefined ? [leaf] : [leaf, ...pathOf([issuer, ...others.filter((other) => other !== issuer)])];
}

function certificateValidity({ validFrom, validTo }: X509Certificate): Validity {
  // Of what is no date, Node 24.21 makes one from memory that was never written: the text says that it is none.
  const [notBeforeAt, notAfterAt] = [Date.parse(validFrom), Date.parse(validTo)];
  const endingMs = Math.min(CERTIFICATE_ENDING_MS, (notAfterAt - notBeforeAt) * CERTIFICATE_ENDING_SHARE);
  return { notBeforeAt, endingAt: notAfterAt - endingMs, notAfterAt };
}

function listValidity(block: string): Validity {
  const der = Buffer.from(block.replaceAll(/-----[^-]*-----/g, ''), 'base64');
  const { thisUpdateAt, nextUpdateAt = NEVER } = revocationPeriod(der) ?? { thisUpdateAt: Number.NaN };
  const endingMs = (nextUpdateAt - thisUpdateAt) * LIST_ENDING_SHARE;
  return { notBeforeAt: thisUpdateAt, endingAt: nextUpdateAt - endingMs, notAfterAt: nextUpdateAt };
}

function whileAll(all: readonly Validity[]): Validity | undefined {
  return dated({
    notBeforeAt: Math.max(...all.map(({ notBeforeAt }) => notBeforeAt)),
    endingAt: Math.min(...all.map(({ endingAt }) => endingAt)),
    notAfterAt: Math.min(...all.map(({ notAfterAt }) => notAfterAt)),
  });
}

/** Of none, or of one with no date where one should be, which OpenSSL takes as long as nobody asks: nothing. */
function dated(validity: Validity): Validity | undefined {
  return Object.values(validity).every(Number.isFinite) ? validity : undefined;
}
