/** Which hosts never leave this machine. */

import { isIPv4, isIPv6 } from 'node:net';

/**
 * True for 127.0.0.0/8, ::1, `localhost` and the names below it (RFC 6761 §6.3), with or without the brackets of a URL.
 * A name that merely resolves to a loopback address does not count: whoever controls DNS would decide.
 */
export function isLoopbackHost(host: string): boolean {
  const bare = host.startsWith('[') && host.endsWith(']') ? host.slice(1, -1) : host;
  if (isIPv4(bare)) return bare.startsWith('127.');
  if (isIPv6(bare)) return canonicalIPv6(bare) === '::1';
  return /^(?:[a-z0-9-]+\.)*localhost\.?$/i.test(bare);
}

/** The one spelling of an IPv6 address (RFC 5952), so that two texts can be compared. */
export function canonicalIPv6(address: string): string {
  const [plain = ''] = address.split('%');
  return URL.canParse(`http://[${plain}]`) ? new URL(`http://[${plain}]`).hostname.slice(1, -1) : address;
}
