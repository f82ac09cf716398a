/** Maps the addresses that an upstream gives of itself back to the listener, so that a redirect leads the caller here again. */

import { type Route, restWithin } from './route.ts';

/** Dot segments, plain or encoded: where they lead is for the reader to say, so such an address is left alone. */
const DOT_SEGMENT = /\/(?:\.|%2e){1,2}(?:\/|$)/i;

/**
 * The value of `Location` or `Content-Location` for the caller. An address within the route's upstream becomes an absolute
 * path on the listener, its rest, query and fragment byte for byte; anything else is returned unchanged.
 *
 * @param origins what the upstream is called by: where the request went, and what `Host` said
 */
export function mapLocation(route: Route, value: string, origins: readonly string[] = [route.upstreamOrigin]): string {
  // A URL parser drops tabs and reads "\" as "/"; with such bytes two readers may see two addresses.
  if (!/^[!-[\]-~]+$/.test(value)) return value;
  const parts = /^(https?:\/\/[^/?#@]+(?=[/?#]|$))?([^?#]*)(.*)$/i.exec(value);
  if (parts === null) return value;
  const [, authority, path = '', suffix = ''] = parts;
  if (authority === undefined ? !isAbsolutePath(path) : !isAmong(origins, authority)) return value;
  const rest = DOT_SEGMENT.test(path) ? undefined : restWithin(route.upstreamPath, path);
  if (rest === undefined) return value;
  const mapped = (route.prefix + rest || '/') + suffix;
  // "//host" would name another host (RFC 3986 §4.2).
  return mapped.startsWith('//') ? value : mapped;
}

function isAbsolutePath(path: string): boolean {
  return path.startsWith('/') && !path.startsWith('//');
}

function isAmong(origins: readonly string[], authority: string): boolean {
  return URL.canParse(authority) && origins.includes(new URL(authority).origin);
}
