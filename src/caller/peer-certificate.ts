/** Reads from a client certificate what callers are recognised by. */

import type { X509Certificate } from 'node:crypto';
import type { PeerCertificate } from '../message.ts';

/** One name of Node's text form: its type, then its value, JSON-quoted where it holds anything that could mislead. */
const NAME = /([A-Za-z0-9 ]+):(?:("(?:[ !#-[\]-~\u0080-\uffff]|\\["\\]|\\u[0-9a-f]{4})*")|([^",]*))(?:, |$)/gy;

/** DER of the object identifier 2.5.29.17, subjectAltName. */
const SUBJECT_ALT_NAME = Buffer.from([0x06, 0x03, 0x55, 0x1d, 0x11]);

/** The certificate's chain must have been verified by whoever calls this. */
export function readPeerCertificate(certificate: X509Certificate): PeerCertificate {
  const names = parseSubjectAltName(certificate.subjectAltName ?? '');
  return {
    uris: names.filter(({ type }) => type === 'URI').map(({ value }) => value),
    dnsNames: names.filter(({ type }) => type === 'DNS').map(({ value }) => value),
    commonName: commonNameOf(certificate),
    fingerprint: certificate.fingerprint256.replaceAll(':', '').toLowerCase(),
    notBeforeAt: certificate.validFromDate.getTime(),
    notAfterAt: certificate.validToDate.getTime(),
  };
}

interface AlternativeName {
  readonly type: string;
  readonly value: string;
}

/** Reads all names or, when one cannot be read, none. */
function parseSubjectAltName(text: string): AlternativeName[] {
  const names: AlternativeName[] = [];
  let readTo = 0;
  for (const [all, type = '', quoted, plain = ''] of text.matchAll(NAME)) {
    names.push({ type, value: quoted === undefined ? plain : JSON.parse(quoted) });
    readTo += all.length;
  }
  return readTo === text.length ? names : [];
}

/** A certificate that has the extension, even one that cannot be read, is never known by its common name. */
function commonNameOf(certificate: X509Certificate): string | undefined {
  if (certificate.subjectAltName !== undefined || certificate.raw.includes(SUBJECT_ALT_NAME)) return undefined;
  const { CN } = certificate.toLegacyObject().subject as { CN?: string | string[] };
  return typeof CN === 'string' ? CN : undefined;
}
