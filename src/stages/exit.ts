/** Where the requests of one route leave the broker: the connections they take, and the fields that are the same for each of them. */

import type { Clock } from '../clock.ts';
import { ownCredentialsPlace } from '../config/own-credentials.ts';
import type { Config } from '../config/schema/root.ts';
import type { RouteConfig } from '../config/schema/routes.ts';
import { type Derivation, markRepeated } from '../derive.ts';
import type { Fields } from '../message.ts';
import { RecentMap } from '../recent-map.ts';
import { mapLocation } from '../route/location.ts';
import { createRoute, type Route } from '../route/route.ts';
import { withBoundCertificate } from '../token/bound-certificate.ts';
import type { Token } from '../token/token.ts';
import type { ConnectionCounts, UpstreamConnections } from '../upstream/connections.ts';
import { createAnswerPassing, createPassing } from '../upstream/fields.ts';
import { Http1Pool } from '../upstream/http1/pool.ts';
import { Http2Pool } from '../upstream/http2/pool.ts';
import { MOST_ORIGINS, OriginConnections, sumOf } from '../upstream/origin-connections.ts';
import { RecentFailures } from '../upstream/recent-failures.ts';
import { ThroughProxy } from '../upstream/through-proxy.ts';
import { type TokenRoute, tokenField } from './injected-token.ts';

/** The route's own upstream, or the origin that a token names. */
export class Destination implements TokenRoute {
  readonly config: RouteConfig;
  readonly upstream: string;
  readonly host: string;
  readonly origin: string;
  nonce: string | undefined;
  /** By whether a caller's `Authorization` is dropped, and whether a proof goes beside the token. */
  readonly #passings = new Map<number, Derivation<Fields>>();
  readonly #credentialsField: string | undefined;
  readonly #credentials = new WeakMap<Token, Fields>();
  /** Without and with a nonce that is for us alone. */
  readonly #answerPassings: readonly [Derivation<Fields>, Derivation<Fields>];

  constructor(route: Route, upstream: string, credentialsField: string | undefined, named?: string) {
    const { protocol, host } = new URL(upstream);
    this.config = route.config;
    this.upstream = upstream;
    this.host = route.config.hostHeader ?? host;
    // What the upstream takes for its own address is what Host says (RFC 9110 §7.1).
    this.origin = originOf(`${protocol}//${this.host}`);
    this.#credentialsField = credentialsField;
    const origins = [named ?? route.upstreamOrigin, this.origin];
    const rewrite = route.config.rewriteLocation ? (value: string) => mapLocation(route, value, origins) : undefined;
    // An upstream that shows what it was sent.
    const echoed = route.config.token === null ? [] : [route.config.inject.header];
    this.#answerPassings = [createAnswerPassing(rewrite, echoed), createAnswerPassing(rewrite, [...echoed, 'dpop-nonce'])];
  }

  /** Which of a caller's fields go on to it. */
  passing(dropAuthorization: boolean, hasProof: boolean): Derivation<Fields> {
    const kind = (dropAuthorization ? 1 : 0) + (hasProof ? 2 : 0);
    const known = this.#passings.get(kind);
    if (known !== undefined) return known;
    const { token, headers, inject, removeHeaders } = this.config;
    const replaced = [...removeHeaders, ...Object.keys(headers), ...(token === null ? [] : [inject.header]), ...(hasProof ? ['DPoP'] : [])];
    if (this.#credentialsField !== undefined) replaced.push(this.#credentialsField);
    const passing = createPassing({ host: this.host, dropAuthorization, replaced });
    this.#passings.set(kind, passing);
    return passing;
  }

  credentials(token: Token): Fields {
    const known = this.#credentials.get(token);
    if (known !== undefined) {
      markRepeated(known);
      return known;
    }
    const fields = tokenField(this.config.inject, token);
    this.#credentials.set(token, fields);
    return fields;
  }

  /** Which fields of its answers go to the caller. */
  answerPassing(hasProof: boolean): Derivation<Fields> {
    return this.#answerPassings[hasProof ? 1 : 0];
  }
}

export class Exit {
  readonly failures: RecentFailures;
  readonly #route: Route;
  readonly #credentialsField: string | undefined;
  readonly #own: Destination;
  readonly #connections: UpstreamConnections;
  /** To where tokens want to be used. */
  readonly #origins: OriginConnections;
  /** By origin: callers whose tokens name different ones take turns, and each gives nonces of its own. */
  readonly #named = new RecentMap<Destination>(2 * MOST_ORIGINS);

  constructor(name: string, { routes, tokens }: Pick<Config, 'routes' | 'tokens'>, clock: Clock) {
    const configured = routes[name] as RouteConfig;
    const config = withBoundCertificate(configured, tokens);
    const { origin } = new URL(config.upstream);
    const place = ownCredentialsPlaceOf(configured, tokens);
    this.failures = new RecentFailures(clock);
    this.#route = createRoute(name, config);
    this.#credentialsField = place?.in === 'field' ? place.field : undefined;
    this.#own = new Destination(this.#route, config.upstream, this.#credentialsField);
    this.#connections = connectionsTo(origin, config);
    this.#origins = new OriginConnections((named) => connectionsTo(named, config), clock);
  }

  /** @param named the origin that a token wants to be used at */
  destination(named: string | undefined): Destination {
    if (named === undefined) return this.#own;
    const known = this.#named.get(named);
    if (known !== undefined) return known;
    const destination = new Destination(this.#route, named, this.#credentialsField, named);
    this.#named.set(named, destination);
    return destination;
  }

  connectionsTo(named: string | undefined): UpstreamConnections {
    return named === undefined ? this.#connections : this.#origins.to(named);
  }

  /** Of the configured upstream, without path and query, which may hold anything. */
  get origin(): string {
    return new URL(this.#own.upstream).origin;
  }

  counts(): ConnectionCounts {
    return sumOf([this.#connections.counts(), this.#origins.counts()]);
  }

  async close(): Promise<void> {
    await Promise.all([this.#connections.close(), this.#origins.close()]);
  }
}

function ownCredentialsPlaceOf({ token: name }: RouteConfig, tokens: Config['tokens']): ReturnType<typeof ownCredentialsPlace> {
  const token = name === null ? undefined : tokens[name];
  return token && ownCredentialsPlace(token);
}

function connectionsTo(origin: string, route: RouteConfig): UpstreamConnections {
  if (route.upstreamProtocol !== 'http/1.1') return new Http2Pool(origin, route);
  const pool = new Http1Pool(origin, route);
  return route.proxy === undefined || origin.startsWith('https:') ? pool : new ThroughProxy(pool, origin, route.proxy);
}

/** In the spelling of the URL standard where it knows one: lower-case, without a default port. */
function originOf(url: string): string {
  return URL.canParse(url) ? new URL(url).origin : url;
}
