/** The small value types of the config: durations, sizes, addresses, URLs, names. */

import { isIPv6 } from 'node:net';
import { distance } from 'fastest-levenshtein';
import * as z from 'zod';

const DURATION = /^(?:\d+(?:ms|s|m|h|d))+$/;
const DURATION_UNITS_MS = { ms: 1, s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 } as const;
const SIZE = /^(\d{1,12})(B|KiB|MiB|GiB)$/;
const SIZE_UNITS = { B: 1, KiB: 1024, MiB: 1024 ** 2, GiB: 1024 ** 3 } as const;

/** Longer than any sensible wait; keeps sums of durations exact and timers meaningful. */
const LONGEST_DURATION_MS = 366 * DURATION_UNITS_MS.d;

/** Reads `1h30m` into milliseconds; `undefined` when it is no duration. */
export function parseDuration(text: string): number | undefined {
  if (!DURATION.test(text)) return undefined;
  let totalMs = 0;
  for (const [, amount, unit] of text.matchAll(/(\d+)(ms|s|m|h|d)/g)) {
    totalMs += Number(amount) * DURATION_UNITS_MS[unit as keyof typeof DURATION_UNITS_MS];
  }
  return totalMs <= LONGEST_DURATION_MS ? totalMs : undefined;
}

/** Reads `64KiB` into bytes; `undefined` when it is no size. */
export function parseSize(text: string): number | undefined {
  const match = SIZE.exec(text);
  if (!match) return undefined;
  const bytes = Number(match[1]) * SIZE_UNITS[match[2] as keyof typeof SIZE_UNITS];
  return Number.isSafeInteger(bytes) ? bytes : undefined;
}

/** For what Node waits for by one timer, which ends at 24.8 days: a longer one would be over at once. */
export const LONGEST_TIMER_MS = 7 * 86_400_000;

/** In the largest unit of which it is a whole number. */
function durationText(ms: number): string {
  const [unit, unitMs] = Object.entries(DURATION_UNITS_MS).findLast(([, length]) => ms % length === 0 && ms >= length) ?? ['ms', 1];
  return `${ms / unitMs}${unit}`;
}

/** A duration string such as `30s`; the parsed value is milliseconds. */
export function duration(limits: { minMs?: number; maxMs?: number } = {}) {
  const minMs = limits.minMs ?? 1;
  const maxMs = limits.maxMs ?? LONGEST_DURATION_MS;
  const wrong = 'is not a duration; write it with a unit, such as 500ms, 30s, 5m or 1h30m (at most 366d)';
  return z
    .string()
    .regex(DURATION, wrong)
    .meta({ examples: ['30s'], ...bounds(limits.minMs, limits.maxMs, 'ms') })
    .transform((text, context) => {
      const ms = parseDuration(text);
      if (ms === undefined) context.addIssue(wrong);
      else if (ms < minMs) context.addIssue(`is too short; the least is ${durationText(minMs)}`);
      else if (ms > maxMs) context.addIssue(`is too long; the most is ${durationText(maxMs)}`);
      return ms ?? z.NEVER;
    });
}

/** A size string such as `64KiB`; the parsed value is bytes. */
export function size(limits: { min?: number; max?: number } = {}) {
  const min = limits.min ?? 1;
  const max = limits.max ?? Number.MAX_SAFE_INTEGER;
  const wrong = 'is not a size; write it with a unit, such as 512B, 64KiB or 10MiB';
  return z
    .string()
    .regex(SIZE, wrong)
    .meta({ examples: ['64KiB'], ...bounds(limits.min, limits.max, 'B') })
    .transform((text, context) => {
      const bytes = parseSize(text);
      if (bytes === undefined) context.addIssue(wrong);
      else if (bytes < min) context.addIssue(`is too small; the least is ${min}B`);
      else if (bytes > max) context.addIssue(`is too large; the most is ${max}B`);
      return bytes ?? z.NEVER;
    });
}

/** What no keyword of JSON Schema can say of a text, for those who read the schema: the reference, other tools. */
function bounds(least: number | undefined, most: number | undefined, unit: 'ms' | 'B'): Record<string, string> {
  return { ...(least !== undefined && { 'x-least': `${least}${unit}` }), ...(most !== undefined && { 'x-most': `${most}${unit}` }) };
}

/** The candidate that `word` was probably meant to be: two letters or a third of it mistyped, and something of it right. */
export function nearestOf(word: string, candidates: readonly string[]): string | undefined {
  let best: string | undefined;
  let bestDistance = Math.min(word.length, Math.max(2, Math.floor(word.length / 3)) + 1);
  for (const candidate of candidates) {
    const d = distance(word.toLowerCase(), candidate.toLowerCase());
    if (d < bestDistance) {
      best = candidate;
      bestDistance = d;
    }
  }
  return best;
}

/** Names of listeners, callers, tokens, …: they appear in metrics, logs and URLs. */
export const name = z
  .string()
  .regex(
    /^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$/,
    'is not a usable name; use up to 63 letters, digits, ".", "_" and "-", beginning with a letter or digit',
  )
  .meta({ examples: ['orders'] });

/** Whom something is open to; nobody where it is left out. */
export const callerNames = z
  .array(z.union([name, z.literal('*')]))
  .meta({ examples: [['billing']] })
  .default([]);

/** Whom nobody has authenticated: no caller has such a name, routes list it, and "*" does not mean it. */
export function isUnknownCaller(text: string): boolean {
  return text === 'anonymous' || text === 'basic-passthrough';
}

/** One or several of something; the parsed value is a list. */
export function oneOrMore<Item extends z.ZodType>(item: Item) {
  return z
    .union([item, z.array(item).min(1, 'is an empty list; give at least one')])
    .transform((value) => (Array.isArray(value) ? value : [value]) as z.output<Item>[]);
}

/** An absolute http(s) URL without user, password or fragment; the parsed value is the text as written. */
export const httpUrl = z
  .string()
  .meta({ examples: ['https://api.example.com'] })
  .superRefine((text, context) => {
    if (!URL.canParse(text)) return context.addIssue('is not a URL; write it in full, such as https://api.example.com/v1');
    const url = new URL(text);
    if (url.protocol !== 'https:' && url.protocol !== 'http:') context.addIssue('is not an http or https URL');
    else if (url.username !== '' || url.password !== '')
      context.addIssue('holds a user or password; give credentials by reference, never in a URL');
    else if (text.includes('#')) context.addIssue('holds a fragment; remove it');
  });

/** A host without a port, as a `Host` field can name it; the parsed value is lower-case. */
export const hostName = z
  .string()
  .regex(/^(?:[A-Za-z0-9._-]{1,253}|\[[0-9A-Fa-f:.]{2,45}\])$/, 'is not a host name; write it without scheme, port and path')
  .meta({ examples: ['api.example.com'] })
  .transform((text) => text.toLowerCase());

/** A field name that may be sent. */
export const fieldName = z.string().regex(/^[A-Za-z0-9!#$%&'*+.^_`|~-]{1,100}$/, 'is not a valid field name');

/** What a listening address means. */
export type Address =
  | { readonly kind: 'tcp'; readonly host: string; readonly port: number }
  | { readonly kind: 'unix'; readonly path: string };

/** Reads `host:port`, `[v6]:port` or `unix:/path`. */
export function parseAddress(text: string): Address | undefined {
  if (text.startsWith('unix:')) {
    const path = text.slice('unix:'.length);
    return isSocketPath(path) ? { kind: 'unix', path } : undefined;
  }
  const match = /^(?:\[([0-9A-Fa-f:.]+)\]|([A-Za-z0-9.-]+)):(\d{1,5})$/.exec(text);
  const port = Number(match?.[3]);
  if (!match || port > 65_535 || (match[1] !== undefined && !isIPv6(match[1]))) return undefined;
  return { kind: 'tcp', host: (match[1] ?? match[2]) as string, port };
}

/** Absolute, and within the 108 bytes that Linux gives `sun_path`, its end included. */
export function isSocketPath(path: string): boolean {
  return path.startsWith('/') && !path.includes('\0') && Buffer.byteLength(path) < 108;
}

/** A listening address; the parsed value is an `Address`. */
export const address = z
  .string()
  .meta({ examples: ['127.0.0.1:8080'] })
  .describe('host:port, [v6]:port or unix:/path (absolute, at most 107 bytes). Port 0 takes a free one and logs it.')
  .transform((text, context) => {
    const parsed = parseAddress(text);
    if (!parsed) context.addIssue('is not an address; write host:port, [v6]:port or unix:/path (absolute, at most 107 bytes)');
    return parsed ?? z.NEVER;
  });
