/** `Retry-After` (RFC 9110 §10.2.3), bounded. */

/** A server that asks for more is asked again after this long all the same. */
const LONGEST_MS = 5 * 60_000;

/** Milliseconds from `now` (wall clock), at most five minutes; `undefined` when absent or unreadable. */
export function retryAfterMs(value: string | undefined, now: number): number | undefined {
  if (value === undefined) return undefined;
  const text = value.trim();
  const ms = /^\d+$/.test(text) ? Number(text) * 1000 : Date.parse(text) - now;
  if (Number.isNaN(ms)) return undefined;
  return Math.min(Math.max(ms, 0), LONGEST_MS);
}
