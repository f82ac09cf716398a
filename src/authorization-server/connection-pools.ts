/** The pools of connections to one authorization server: one for each client certificate, so that none travels under another's name. */

import { createSecureContext } from 'node:tls';
import { proxyAuthorization } from '../config/proxy-authorization.ts';
import type { ProxyConfig } from '../config/schema/proxy.ts';
import { placeOf } from '../wire/place.ts';
import type { ClientCertificate } from './client-certificate.ts';
import { ConnectionPool } from './connection-pool.ts';
import { AuthorizationServerError } from './failure.ts';

export interface PoolsOptions {
  readonly connectTimeoutMs: number;
  /** PEM certificates to trust, and no others; `undefined`: Node's default. */
  readonly ca: () => string | undefined;
  readonly proxy?: ProxyConfig | undefined;
}

/** What a pool was made with. */
interface Material {
  /** PEM texts. */
  readonly identity: { readonly ca?: string; readonly cert?: string; readonly key?: string };
  /** For the proxy. */
  readonly authorization: string | undefined;
}

export class ConnectionPools {
  readonly #options: PoolsOptions;
  readonly #pools = new Map<ClientCertificate | undefined, { readonly pool: ConnectionPool; readonly material: Material }>();
  #closed = false;

  constructor(options: PoolsOptions) {
    this.#options = options;
  }

  /** The pool of a certificate, or of none; a new one when files have changed. Throws when certificate and key cannot be used, or closed. */
  get(certificate: ClientCertificate | undefined): ConnectionPool {
    if (this.#closed) throw new AuthorizationServerError('transient', 'closed');
    const material = this.#material(certificate);
    const old = this.#pools.get(certificate);
    if (old !== undefined && isSame(old.material, material)) return old.pool;
    if (certificate !== undefined) checkUsable(material);
    const pool = this.#create(material);
    this.#pools.set(certificate, { pool, material });
    old?.pool.retire();
    return pool;
  }

  close(): void {
    this.#closed = true;
    for (const { pool } of this.#pools.values()) pool.close();
  }

  #material(certificate: ClientCertificate | undefined): Material {
    const ca = this.#options.ca();
    return {
      identity: {
        ...(ca === undefined ? {} : { ca }),
        ...(certificate === undefined ? {} : { cert: certificate.certificate.reveal(), key: certificate.key.reveal() }),
      },
      authorization: this.#options.proxy && proxyAuthorization(this.#options.proxy),
    };
  }

  #create({ identity, authorization }: Material): ConnectionPool {
    const { connectTimeoutMs, proxy } = this.#options;
    return new ConnectionPool({ connectTimeoutMs, identity, proxy: proxy && { place: placeOf(proxy.url), authorization } });
  }
}

function isSame(a: Material, b: Material): boolean {
  const { identity: x } = a;
  const { identity: y } = b;
  return x.ca === y.ca && x.cert === y.cert && x.key === y.key && a.authorization === b.authorization;
}

/** While only one of two files has changed they do not fit; the second change makes the next grant work. */
function checkUsable({ identity }: Material): void {
  try {
    createSecureContext(identity);
  } catch (cause) {
    throw new AuthorizationServerError('permanent', 'client_certificate_unusable', { cause });
  }
}
