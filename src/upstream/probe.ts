/** Connects to an upstream and leaves again: what `check --online` asks. */

import { connect as connectTcp, isIP, type Socket } from 'node:net';
import { connect as connectTls } from 'node:tls';
import type { RouteConfig } from '../config/schema/routes.ts';
import { BrokerError } from '../errors.ts';
import { toUpstreamError } from './failure.ts';
import { tlsIdentity } from './tls-identity.ts';

/** Resolves once the connection, with TLS where the URL says so, is there. Rejects with a `BrokerError` of stage `upstream`. */
export async function probeUpstream({
  upstream,
  timeouts,
  upstreamTls,
}: Pick<RouteConfig, 'upstream' | 'timeouts' | 'upstreamTls'>): Promise<void> {
  const { protocol, hostname, port } = new URL(upstream);
  const host = hostname.replace(/^\[|\]$/g, '');
  const secure = protocol === 'https:';
  const where = { host, port: Number(port) || (secure ? 443 : 80) };
  const name = isIP(host) === 0 ? { servername: host } : {};
  const socket = secure ? connectTls({ ...where, ...name, ...tlsIdentity(upstreamTls) }) : connectTcp(where);
  try {
    await connected(socket, secure ? 'secureConnect' : 'connect', timeouts.connect);
  } catch (error) {
    throw toUpstreamError(error);
  } finally {
    socket.destroy();
  }
}

function connected(socket: Socket, event: string, timeoutMs: number): Promise<void> {
  return new Promise((resolve, reject) => {
    socket.once(event, resolve).on('error', reject);
    const late = new BrokerError('UPSTREAM_TIMEOUT', 'connecting to the upstream took too long', { stage: 'upstream' });
    socket.setTimeout(timeoutMs, () => reject(late));
  });
}
