/** The certificates that the broker shows others, and from when until when they are good (RFC 5280 §4.1.2.5). */

import { X509Certificate } from 'node:crypto';
import { type Finding, warning } from './problem.ts';
import { type PlacedSecret, secretsIn } from './secrets-in.ts';

/** Milliseconds since the epoch. */
export interface Validity {
  readonly notBeforeAt: number;
  readonly notAfterAt: number;
}

export type ValidityState = 'good' | 'future' | 'ending' | 'ended';

const DAY_MS = 86_400_000;
/** One that has a fifth of its life left was to be renewed before, whoever does that; of a long life, two weeks are enough to act. */
const ENDING_SHARE = 1 / 5;
const ENDING_MS = 14 * DAY_MS;

const OWN_KEYS: readonly unknown[] = ['cert', 'certificate'];
const PEM = /-----BEGIN CERTIFICATE-----[^-]*-----END CERTIFICATE-----/g;

export function ownCertificates(config: object): PlacedSecret[] {
  return secretsIn(config).filter(({ path }) => OWN_KEYS.includes(path.at(-1)));
}

/** Of a chain in PEM: while all of it is good. `undefined` where it cannot be read. */
export function validityOf(pem: string): Validity | undefined {
  try {
    const chain = (pem.match(PEM) ?? []).map((block) => new X509Certificate(block));
    const notBeforeAt = Math.max(...chain.map((certificate) => certificate.validFromDate.getTime()));
    const notAfterAt = Math.min(...chain.map((certificate) => certificate.validToDate.getTime()));
    // Nothing in it, or no date where one should be: OpenSSL takes that as long as nobody asks.
    return Number.isFinite(notBeforeAt) && Number.isFinite(notAfterAt) ? { notBeforeAt, notAfterAt } : undefined;
  } catch {
    return undefined;
  }
}

/** @param now milliseconds since the epoch */
export function validityState({ notBeforeAt, notAfterAt }: Validity, now: number): ValidityState {
  if (now >= notAfterAt) return 'ended';
  if (now < notBeforeAt) return 'future';
  return notAfterAt - now < Math.min(ENDING_MS, (notAfterAt - notBeforeAt) * ENDING_SHARE) ? 'ending' : 'good';
}

/** Warnings only: what else the broker does goes on, and a certificate may be replaced while it runs. */
export function certificateFindings(config: object, now: number): Finding[] {
  return ownCertificates(config).flatMap(({ path, secret }) => {
    const validity = secret.filled ? validityOf(secret.reveal()) : undefined;
    const text = validity && stateText(validity, now);
    return text === undefined ? [] : [warning(path, text)];
  });
}

function stateText(validity: Validity, now: number): string | undefined {
  const [from, to] = [validity.notBeforeAt, validity.notAfterAt].map((at) => new Date(at).toISOString().replace('.000', ''));
  switch (validityState(validity, now)) {
    case 'good':
      return undefined;
    case 'future':
      return `holds a certificate that is good from ${from} on; set the clock of this machine, or wait`;
    case 'ending':
      return `holds a certificate that ends at ${to}; renew it before`;
    case 'ended':
      return `holds a certificate that ended at ${to}, so others refuse it; renew it`;
  }
}
