/** Under which names the admin address answers: a page of another site can have its own name point here (DNS rebinding). */

import type { IncomingMessage } from 'node:http';
import { isLoopbackHost } from '../config/loopback.ts';

/** Names accepted as `Host` besides those of loopback; `"any"` on a Unix socket, which no page can name. */
export type AcceptedHosts = readonly string[] | 'any';

/** Why the request is refused, or `undefined`. */
export function refusedHost(accepted: AcceptedHosts, headers: IncomingMessage['headersDistinct']): string | undefined {
  const host = (headers['host'] ?? []).join().toLowerCase().replace(/:\d+$/, '');
  if (accepted === 'any' || isLoopbackHost(host) || accepted.includes(host)) return undefined;
  return 'this "Host" is not accepted; use an address or name of loopback, or add it to "admin.hosts"';
}
