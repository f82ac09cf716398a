/** Unique secrets that must never be seen again, and the search for them in whatever a test has captured. */

import { randomBytes } from 'node:crypto';

/** A finding names the canary and its disguise, never the secret itself. */
interface Finding {
  readonly name: string;
  readonly form: string;
}

export interface Canaries {
  /** A new secret: visible ASCII, hard to encode (`~/+&=%"` at its end) unless `plain`. */
  plant(name: string, options?: { readonly plain?: boolean }): string;
  /** Watches for a secret made elsewhere: an issued token, a private key. */
  watch(name: string, secret: string): void;
  /** What of them is in the text, in any disguise. An empty list is good news only if something was planted. */
  find(text: string | Uint8Array): Finding[];
}

/** The shortest piece of a secret that counts as a leak (reliability catalogue, X01). */
const PIECE = 12;

/** An empty set of canaries. */
export function createCanaries(): Canaries {
  const disguises: { name: string; form: string; pieces: readonly string[] }[] = [];
  const watch = (name: string, secret: string) => {
    for (const [form, pieces] of Object.entries(disguisesOf(secret))) disguises.push({ name, form, pieces });
  };
  return {
    plant(name, options) {
      const secret = `${name}-${randomBytes(16).toString('hex')}${options?.plain ? '' : '~/+&=%"'}`;
      // The name is no secret: a log may well hold it.
      watch(name, secret.slice(name.length + 1));
      return secret;
    },
    watch,
    find(text) {
      if (disguises.length === 0) throw new Error('no canary was planted: nothing could be found');
      const haystack = typeof text === 'string' ? text : Buffer.from(text).toString('latin1');
      return disguises.filter(({ pieces }) => pieces.some((piece) => haystack.includes(piece))).map(({ name, form }) => ({ name, form }));
    },
  };
}

function disguisesOf(secret: string): Record<string, string[]> {
  const bytes = Buffer.from(withoutPemLabels(secret));
  const text = bytes.toString();
  if (text.length < PIECE) throw new Error('a canary of fewer than 12 characters would be found by chance');
  const hex = bytes.toString('hex');
  return {
    plain: windows(text),
    'url-encoded': [encodeURIComponent(text)],
    'form-encoded': [new URLSearchParams({ '': text }).toString().slice(1)],
    'json-escaped': [JSON.stringify(text).slice(1, -1)],
    hex: [hex, hex.toUpperCase()],
    base64: alignments(bytes, 'base64'),
    base64url: alignments(bytes, 'base64url'),
  };
}

function windows(text: string): string[] {
  return Array.from({ length: text.length - PIECE + 1 }, (_, start) => text.slice(start, start + PIECE));
}

/** Base64 of the secret wherever it begins within a group of three bytes, without the characters that depend on its neighbours. */
function alignments(bytes: Buffer, encoding: 'base64' | 'base64url'): string[] {
  return [0, 1, 2].map((offset) => {
    const whole = bytes.subarray((3 - offset) % 3);
    return whole.subarray(0, whole.length - (whole.length % 3)).toString(encoding);
  });
}

/** The labels of PEM are no secret. */
function withoutPemLabels(secret: string): string {
  return secret.replaceAll(/-----[A-Z ]+-----/g, '').trim();
}
