/** Recognises a caller by its verified client certificate. */

import type { CallerConfig } from '../config/schema/callers.ts';
import { wildcardPattern } from '../config/wildcard.ts';
import type { PeerCertificate } from '../message.ts';
import type { Caller, Verdict } from './caller.ts';
import { type Demand, narrowerFirst } from './narrowest.ts';

/**
 * Judges a certificate whose chain has been verified; `nowAt` is the wall clock. The verdict is remembered for the object,
 * which should be one per connection.
 */
export type CertificateCheck = (certificate: PeerCertificate, nowAt: number) => Verdict;

/** Why nobody was let in by a certificate; the caller is not told. */
export type CertificateFault = 'not_in_time' | 'unknown_certificate';

type Rule = NonNullable<CallerConfig['mtls']>;
type Condition = (certificate: PeerCertificate) => boolean;

/** Where a certificate fits several callers, the narrowest of them is meant. */
export function createCertificateCheck(
  callers: Readonly<Record<string, CallerConfig>>,
  onRefused: (fault: CertificateFault) => void = () => {},
): CertificateCheck {
  const rules = Object.entries(callers)
    .flatMap(([name, { mtls }]) => (mtls === undefined ? [] : [{ name, mtls }]))
    .sort((a, b) => narrowerFirst(demandOf(a.name, a.mtls), demandOf(b.name, b.mtls)))
    .map(({ name, mtls }) => ({ caller: { name, method: 'mtls' } satisfies Caller, conditions: conditionsOf(mtls) }));
  const judged = new WeakMap<PeerCertificate, Verdict>();

  function judge(certificate: PeerCertificate): Verdict {
    const rule = rules.find(({ conditions }) => conditions.every((condition) => condition(certificate)));
    return rule?.caller ?? 'refused';
  }

  return (certificate, nowAt) => {
    // A connection may outlive its certificate, so this is looked at for each request; whom it names cannot change.
    if (!(certificate.notBeforeAt <= nowAt && nowAt <= certificate.notAfterAt)) {
      onRefused('not_in_time');
      return 'refused';
    }
    let verdict = judged.get(certificate);
    if (verdict === undefined) {
      verdict = judge(certificate);
      judged.set(certificate, verdict);
    }
    if (verdict === 'refused') onRefused('unknown_certificate');
    return verdict;
  };
}

function demandOf(name: string, { uri, dns, fingerprint, commonName }: Rule): Demand {
  const open = [uri, dns].filter((text) => text !== undefined).map((text) => ({ values: 1, patterns: text.includes('*') ? [text] : [] }));
  const exact = [fingerprint, commonName].filter((text) => text !== undefined).map(() => ({ values: 1, patterns: [] }));
  return { name, isUnique: fingerprint !== undefined, conditions: [...open, ...exact] };
}

function conditionsOf(rule: Rule): Condition[] {
  const conditions: Condition[] = [];
  const { uri, dns, fingerprint, commonName } = rule;
  if (uri !== undefined) {
    const matches = uriMatcher(uri);
    conditions.push((certificate) => certificate.uris.some(matches));
  }
  if (dns !== undefined) {
    const pattern = wildcardPattern(dns.toLowerCase(), '[^.\\s\\p{Cc}]');
    conditions.push((certificate) => certificate.dnsNames.some((name) => pattern.test(name.toLowerCase())));
  }
  if (fingerprint !== undefined) conditions.push((certificate) => certificate.fingerprint === fingerprint);
  if (commonName !== undefined) conditions.push((certificate) => certificate.commonName === commonName);
  return conditions;
}

/** A wildcard stands for a part of the path, never for a part of the host: that would name other people's trust domains. */
function uriMatcher(pattern: string): (uri: string) => boolean {
  const origin = originOf(pattern);
  const path = wildcardPattern(pattern.slice(origin.length), '[^/?#\\s\\p{Cc}]');
  return (uri) => {
    const own = originOf(uri);
    return own.toLowerCase() === origin.toLowerCase() && path.test(uri.slice(own.length));
  };
}

/** Scheme and authority of a URI: the parts without regard to case (RFC 3986 §6.2.2.1). */
function originOf(uri: string): string {
  return /^[^:/?#]+:(?:\/\/[^/?#]*)?/.exec(uri)?.[0] ?? '';
}
