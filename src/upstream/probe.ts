/** Connects to an upstream and leaves again: what `check --online` asks. */

import type { Socket } from 'node:net';
import { TLSSocket } from 'node:tls';
import type { RouteConfig } from '../config/schema/routes.ts';
import { chainValidity, type Validity } from '../config/validity.ts';
import { Dialer, type Way } from './dial.ts';
import { connectTimeout, toUpstreamError } from './failure.ts';

/**
 * Resolves once the connection, with TLS where the URL says so, is there: to how long the certificate shown there is good. Rejects with a `BrokerError` of stage `upstream`.
 */
export async function probeUpstream(
  route: Pick<RouteConfig, 'upstream' | 'upstreamProtocol' | 'timeouts'> & Way,
): Promise<Validity | undefined> {
  const dialer = new Dialer(route.upstream, route, () => {}, route.upstreamProtocol === 'h2' ? 'h2' : 'http/1.1');
  try {
    return await connected(dialer, route.timeouts.connect);
  } catch (error) {
    throw toUpstreamError(error);
  } finally {
    dialer.close();
  }
}

function connected(dialer: Dialer, timeoutMs: number): Promise<Validity | undefined> {
  const { socket, ready } = dialer.dial({ buffer: Buffer.alloc(1024), callback: () => true });
  return new Promise<Validity | undefined>((resolve, reject) => {
    socket.once(ready, () => resolve(validityShownOn(socket))).on('error', reject);
    socket.setTimeout(timeoutMs, () => reject(connectTimeout()));
  }).finally(() => socket.destroy());
}

function validityShownOn(socket: Socket): Validity | undefined {
  const certificate = socket instanceof TLSSocket ? socket.getPeerX509Certificate() : undefined;
  return certificate && chainValidity(certificate.toString());
}
