/** Connects to an upstream and leaves again: what `check --online` asks. */

import type { RouteConfig } from '../config/schema/routes.ts';
import { Dialer, type Way } from './dial.ts';
import { connectTimeout, toUpstreamError } from './failure.ts';

/** Resolves once the connection, with TLS where the URL says so, is there. Rejects with a `BrokerError` of stage `upstream`. */
export async function probeUpstream(route: Pick<RouteConfig, 'upstream' | 'timeouts'> & Way): Promise<void> {
  const dialer = new Dialer(route.upstream, route, () => {});
  try {
    await connected(dialer, route.timeouts.connect);
  } catch (error) {
    throw toUpstreamError(error);
  } finally {
    dialer.close();
  }
}

function connected(dialer: Dialer, timeoutMs: number): Promise<void> {
  const { socket, ready } = dialer.dial({ buffer: Buffer.alloc(1024), callback: () => true });
  return new Promise<void>((resolve, reject) => {
    socket.once(ready, resolve).on('error', reject);
    socket.setTimeout(timeoutMs, () => reject(connectTimeout()));
  }).finally(() => socket.destroy());
}
