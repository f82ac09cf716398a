/** Keeps web pages from riding on the sidecar: which `Host` a request may name, and which pages may send one (DNS rebinding, CSRF). */

import { isLoopbackHost } from '../config/loopback.ts';
import type { ListenerConfig } from '../config/schema/listeners.ts';
import { BrokerError } from '../errors.ts';
import type { Fields } from '../message.ts';

export interface NamedSite {
  /** Lower-case and without a port, `""` where an HTTP/1.0 request has none. */
  readonly host: string;
  /** The target was a whole URL: a page cannot have one sent here by what its own name resolves to. */
  readonly isWhole: boolean;
  readonly fields: Fields;
}

/** Throws CALLER_FORBIDDEN. */
export type SiteGuard = (named: NamedSite) => void;

export function createSiteGuard(listener: ListenerConfig): SiteGuard {
  const acceptsHost = hostCheck(listener);
  // Only there does a request count although its sender proved nothing: a browser would send it for any page.
  const acceptsAnonymous = listener.authenticate.includes('anonymous');
  const hosts = hostNames(listener);
  const acceptsOrigin = (host: string) => isLoopbackHost(host) || hosts?.has(host) === true;
  return ({ host, isWhole, fields }) => {
    const accepted = isWhole ? hosts === undefined || hosts.has(host) : acceptsHost(host);
    if (!accepted) throw forbidden('the listener does not accept this "Host": use an accepted name, or add it to "hosts"');
    if (acceptsAnonymous) refuseCrossSite(fields, acceptsOrigin);
  };
}

function hostNames({ hosts }: ListenerConfig): ReadonlySet<string> | undefined {
  return hosts && new Set(hosts.map((host) => host.toLowerCase()));
}

function hostCheck(listener: ListenerConfig): (host: string) => boolean {
  const hosts = hostNames(listener);
  if (hosts !== undefined) return (host) => hosts.has(host);
  // No page can name a Unix socket, so a Host there says nothing.
  if (!listener.authenticate.includes('anonymous') || listener.address.kind === 'unix') return () => true;
  // HTTP/1.0 without a Host: no browser speaks that.
  return (host) => host === '' || isLoopbackHost(host);
}

function refuseCrossSite(fields: Fields, acceptsOrigin: (host: string) => boolean): void {
  for (let i = 0; i < fields.length; i += 2) {
    const name = fields[i] as string;
    if (name.length === 6 && name.toLowerCase() === 'origin') {
      if (!acceptsOrigin(hostOfOrigin(fields[i + 1] as string))) throw crossSite();
    } else if (name.length === 14 && name.toLowerCase() === 'sec-fetch-site') {
      if ((fields[i + 1] as string).toLowerCase() === 'cross-site') throw crossSite();
    }
  }
}

/** `""`, which no check accepts, for `null` and for whatever is not one http(s) origin (RFC 6454 §7). */
function hostOfOrigin(origin: string): string {
  return /^https?:\/\/(\[[0-9a-f:.]+\]|[a-z0-9._-]+)(?::\d+)?$/.exec(origin)?.[1] ?? '';
}

function crossSite(): BrokerError {
  return forbidden('the request comes from a web page of another site: call the sidecar from an application instead');
}

function forbidden(message: string): BrokerError {
  return new BrokerError('CALLER_FORBIDDEN', message, { stage: 'listener', close: true });
}
