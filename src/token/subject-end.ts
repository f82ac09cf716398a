/** When a token or an assertion of somebody else ends. Nothing is verified: it only makes what comes of it serve for less long. */

import { jwtExpiresAt } from '../authorization-server/jwt.ts';

/**
 * Milliseconds since the epoch; infinite where it does not say. A JWT says it by `exp`, a SAML assertion by `NotOnOrAfter` of its
 * conditions: as XML, or in base64url as an exchange takes it (RFC 8693 §3).
 */
export function subjectEndsAt(subject: string): number {
  const xml = subject.trimStart().startsWith('<') ? subject : Buffer.from(subject, 'base64').toString();
  return jwtExpiresAt(subject) ?? assertionEndsAt(xml);
}

/** SAML 2.0 Core §2.5.1: whoever relies on the assertion must not do so from then on. The earliest, if it says so twice. */
function assertionEndsAt(xml: string): number {
  const written = xml.matchAll(/<(?:[\w.-]+:)?Conditions\s[^<>]*\bNotOnOrAfter\s*=\s*["']([^"']+)["']/g);
  return Math.min(...[...written].map(([, text = '']) => readTime(text)).filter((end) => !Number.isNaN(end)));
}

/** SAML 2.0 Core §1.3.3: in UTC, also where it names no zone. */
function readTime(text: string): number {
  const inUtc = Date.parse(`${text}Z`);
  return Number.isNaN(inUtc) ? Date.parse(text) : inUtc;
}
