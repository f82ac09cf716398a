/** TLS towards an upstream: whom to trust, who we are, and under which name the upstream must prove itself. */

import type { ConnectionOptions } from 'node:tls';
import type { RouteConfig } from '../config/schema/routes.ts';

export function tlsIdentity({ ca, cert, key, serverName }: RouteConfig['upstreamTls']): ConnectionOptions {
  return {
    // Stated, since leaving it undefined has switched verification off before (CVE-2021-22939).
    rejectUnauthorized: true,
    ...(ca === undefined ? {} : { ca: ca.reveal() }),
    ...(cert === undefined ? {} : { cert: cert.reveal() }),
    ...(key === undefined ? {} : { key: key.reveal() }),
    ...(serverName === undefined ? {} : { servername: serverName }),
  };
}
