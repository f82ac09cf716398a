/** What a proxy on the way out is told of us (RFC 7617). */

import type { ProxyConfig } from './schema/proxy.ts';

/** With the password as it is now; `undefined` where the proxy wants none. */
export function proxyAuthorization({ username, password }: ProxyConfig): string | undefined {
  if (username === undefined || password === undefined) return undefined;
  return `Basic ${Buffer.from(`${username}:${password.reveal()}`).toString('base64')}`;
}
