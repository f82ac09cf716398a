/** What the text behind a reference must look like: each check says what is wrong and the way out, and quotes nothing. */

import { createPrivateKey, X509Certificate } from 'node:crypto';
import { createSecureContext } from 'node:tls';
import { MAX_BCRYPT_COST, MIN_BCRYPT_COST } from '../bcrypt/bcrypt.ts';
import { parsePasswordHash } from '../password-hash.ts';
import { pemBlocks } from './pem.ts';
import { signingAlgorithmsOf } from './signing-key.ts';

/** PEM certificates, one or more. */
export function certificatesProblem(text: string): string | undefined {
  return blocksProblem(text, 'CERTIFICATE', 'certificate', (block) => new X509Certificate(block));
}

/** PEM certificate revocation lists, one or more. */
export function revocationListsProblem(text: string): string | undefined {
  return blocksProblem(text, 'X509 CRL', 'revocation list', (block) => createSecureContext({ crl: block }));
}

function blocksProblem(
  text: string,
  label: Parameters<typeof pemBlocks>[1],
  noun: string,
  read: (block: string) => unknown,
): string | undefined {
  const blocks = pemBlocks(text, label);
  if (blocks.length === 0) return `holds no ${noun}; give PEM text with "BEGIN ${label}"`;
  const broken = blocks.findIndex((block) => !succeeds(() => read(block)));
  return broken === -1 ? undefined : `holds a ${noun} that cannot be read (number ${broken + 1}); write it again`;
}

/** One unencrypted PEM private key. */
export function privateKeyProblem(text: string): string | undefined {
  if (!/-----BEGIN [A-Z ]*PRIVATE KEY-----/.test(text)) return 'holds no private key; give PEM text with "BEGIN PRIVATE KEY"';
  if (text.includes('ENCRYPTED')) return 'holds an encrypted private key; decrypt it, and let the mode of its file protect it';
  return succeeds(() => createPrivateKey(text)) ? undefined : 'holds a private key that cannot be read; write it again';
}

/** One unencrypted PEM private key that can sign assertions. */
export function signingKeyProblem(text: string): string | undefined {
  const fault = privateKeyProblem(text);
  if (fault !== undefined || signingAlgorithmsOf(text).length > 0) return fault;
  return 'holds a private key that cannot sign assertions; use RSA of 2048 bits or more, P-256 or Ed25519';
}

/** A signed JWT in its compact form, as it is sent. */
export function jwtProblem(text: string): string | undefined {
  return /^[\w-]+\.[\w-]+\.[\w-]+$/.test(text) ? undefined : 'holds no signed JWT; give three base64url parts joined by "."';
}

/** Whether the private key belongs to the first certificate. Both texts have passed their own checks. */
export function keyMatchesCertificate(key: string, certificates: string): boolean {
  return new X509Certificate(certificates).checkPrivateKey(createPrivateKey(key));
}

/** Whether TLS takes the two, which belong together: not with a key or a signature that is too weak for it. */
export function isStrongEnough(key: string, certificates: string): boolean {
  return succeeds(() => createSecureContext({ key, cert: certificates }));
}

/** A hash as `token-broker hash-password` or `htpasswd -B` make it. */
export function passwordHashProblem(text: string): string | undefined {
  if (parsePasswordHash(text) !== undefined) return undefined;
  if (/^\$2[abxy]?\$/.test(text)) return `is a bcrypt hash that is not whole, or of a kind or cost that is not taken; ${BCRYPT_WAY_OUT}`;
  if (OLD_HASH.test(text))
    return 'is a hash of an old kind, which lets passwords be guessed fast; make one with "htpasswd -B" or "token-broker hash-password"';
  return 'is not a password hash that can be used; give what "token-broker hash-password" prints (argon2id or scrypt), or bcrypt';
}

const BCRYPT_WAY_OUT = `make one with "htpasswd -B -C 10", of a cost from ${MIN_BCRYPT_COST} to ${MAX_BCRYPT_COST}`;

/** Apache's MD5, MD5 and SHA-2 of crypt(3), SHA-1 of LDAP, and DES, which htpasswd made by default. */
const OLD_HASH = /^(?:\$apr1\$|\$[156]\$|\{SS?HA\}|[./A-Za-z0-9]{13}$)/;

/** Base64 of exactly 32 bytes, the key of AES-256. */
export function encryptionKeyProblem(text: string): string | undefined {
  const isBase64 = /^[A-Za-z0-9+/_-]+={0,2}$/.test(text);
  return isBase64 && Buffer.from(text, 'base64').length === 32
    ? undefined
    : 'is not base64 of exactly 32 bytes; make one with "openssl rand -base64 32"';
}

/** RFC 6749 appendix A.17. */
export function refreshTokenProblem(text: string): string | undefined {
  return /^[\x20-\x7e]+$/.test(text) ? undefined : 'is not a refresh token; remove line breaks and whatever is not visible ASCII';
}

/** A token as it can stand in a form. */
export function tokenProblem(text: string): string | undefined {
  return /^[\x21-\x7e]+$/.test(text) ? undefined : 'is not a token; give it alone, on one line, in visible ASCII';
}

/** One SAML assertion as XML. */
export function samlAssertionProblem(text: string): string | undefined {
  return /^\s*<[\s\S]*<\/(?:[\w.-]+:)?Assertion>\s*$/.test(text)
    ? undefined
    : 'holds no SAML assertion; give its XML, from "<Assertion" to its end, neither encoded nor within a response';
}

/** A field value that can stand on one line (RFC 9110 §5.5). */
export function fieldValueProblem(text: string): string | undefined {
  return /^[\x21-\x7e\x80-\xff](?:[\t\x20-\x7e\x80-\xff]*[\x21-\x7e\x80-\xff])?$/.test(text)
    ? undefined
    : 'is not a field value; remove line breaks, control characters, and spaces at its ends';
}

/** A URL of a Redis server. */
export function redisUrlProblem(text: string): string | undefined {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  if (url === undefined || !/^rediss?:$/.test(url.protocol) || url.hostname === '')
    return 'is not a Redis URL; write redis://HOST:PORT or rediss://HOST:PORT';
  if (!/^(?:\/\d*)?$/.test(url.pathname)) return 'names a database by something else than its number; write such as redis://HOST:PORT/0';
  return succeeds(() => decodeURIComponent(url.username + url.password))
    ? undefined
    : 'has a "%" in its user name or password that begins no code; write "%25" for it';
}

function succeeds(action: () => unknown): boolean {
  try {
    action();
    return true;
  } catch {
    // Why OpenSSL refuses is never clearer than the sentence above, and may quote the text.
    return false;
  }
}
