/** The four stages, put together from a config. */

import { isBasic } from './caller/basic.ts';
import type { Caller } from './caller/caller.ts';
import type { Clock } from './clock.ts';
import { ownCredentialsPlace } from './config/own-credentials.ts';
import type { Config } from './config/schema/root.ts';
import type { RouteConfig } from './config/schema/routes.ts';
import type { Stages } from './exchange.ts';
import { InjectedToken, type TokenRoute } from './injected-token.ts';
import { type CallerRequest, type Fields, fieldValue, type Reply } from './message.ts';
import { RequestTokens } from './request-tokens.ts';
import { mapLocation } from './route/location.ts';
import { createRouter, type RouteMatch, type Router } from './route/router.ts';
import { createTraceparent } from './telemetry/trace-context.ts';
import { withBoundCertificate } from './token/bound-certificate.ts';
import type { Token } from './token/token.ts';
import type { Tokens } from './token/tokens.ts';
import type { UpstreamConnections } from './upstream/connections.ts';
import { outboundFields } from './upstream/fields.ts';
import { type Forwarded, forward } from './upstream/forward.ts';
import { Http1Pool } from './upstream/http1/pool.ts';
import { Http2Pool } from './upstream/http2/pool.ts';
import { limitBody } from './upstream/limited-body.ts';
import { answerAsLast, countedDown, forwardsLeft } from './upstream/max-forwards.ts';
import { OriginConnections } from './upstream/origin-connections.ts';
import { ThroughProxy } from './upstream/through-proxy.ts';

type Authenticate = (request: CallerRequest) => Caller | Promise<Caller>;

export interface StagesParts {
  readonly config: Config;
  readonly tokens: Tokens;
  readonly clock: Clock;
  /** One for each listener, by its name. */
  readonly authenticators: ReadonlyMap<string, Authenticate>;
}

/** A route with what its requests say of where they go. */
interface Addressed extends TokenRoute {
  /** The route's, or the origin that a token names. */
  readonly upstream: string;
  readonly host: string;
  readonly config: RouteConfig;
}

/** Everything of a route that is the same for each of its requests. */
interface Exit extends Addressed {
  readonly connections: UpstreamConnections;
  /** To where tokens want to be used. */
  readonly origins: OriginConnections;
  /** The last of these, for the nonces that it gave. */
  named: Addressed | undefined;
  readonly credentialsField: string | undefined;
}

export class BrokerStages implements Stages {
  readonly #parts: StagesParts;
  readonly #router: Router;
  readonly #exits = new Map<string, Exit>();
  readonly #tokens: RequestTokens;
  readonly #traceparent = createTraceparent();

  constructor(parts: StagesParts) {
    this.#parts = parts;
    this.#router = createRouter(parts.config.routes);
    this.#tokens = new RequestTokens(parts.tokens, parts.config);
    for (const [name, configured] of Object.entries(parts.config.routes)) {
      const route = withBoundCertificate(configured, parts.config.tokens);
      const { origin } = new URL(route.upstream);
      this.#exits.set(name, {
        ...addressed(route, route.upstream),
        connections: connectionsTo(origin, route),
        origins: new OriginConnections((named) => connectionsTo(named, route), parts.clock),
        named: undefined,
        credentialsField: credentialsFieldOf(configured, parts.config),
      });
    }
  }

  authenticate(request: CallerRequest): Caller | Promise<Caller> {
    return (this.#parts.authenticators.get(request.listener) as Authenticate)(request);
  }

  route(request: CallerRequest, caller: Caller): RouteMatch {
    return this.#router.match(request, caller);
  }

  token(match: RouteMatch, request: CallerRequest): Token | undefined | Promise<Token> {
    const name = match.route.config.token;
    if (name === null) return undefined;
    const source = this.#tokens.source(name, request);
    return source.peek() ?? source.get(request);
  }

  forward(request: CallerRequest, reply: Reply, caller: Caller, match: RouteMatch, token: Token | undefined): Promise<Forwarded> {
    const exit = this.#exits.get(match.route.name) as Exit;
    const { config, credentialsField } = exit;
    const { method, body } = request;
    const left = forwardsLeft(method, request.fields);
    if (left === 0) {
      body?.discard();
      return Promise.resolve(answerAsLast(reply));
    }
    const fields = left === undefined ? request.fields : countedDown(request.fields, left);
    const upgrade = config.upgrade ? request.upgrade : undefined;
    const named = token?.upstreamOrigin;
    const to = named === undefined ? exit : addressedTo(exit, named);
    const sent = this.#injectedToken(token, to, request);
    const outbound = {
      host: to.host,
      // An application's own credentials pass only where no token takes their place and they were not meant for us.
      dropAuthorization: token !== undefined || (request.authority === undefined && this.#isOurs(request, caller)),
      credentialsField,
      requestId: request.id,
      traceparent: this.#traceparent(fieldValue(fields, 'traceparent')),
      upgrade: upgrade?.protocols,
      via: config.via ? request.version : undefined,
      forwarded: config.forwarded ? forwardedFields(request) : [],
    };
    return forward(request, reply, {
      connections: named === undefined ? exit.connections : exit.origins.to(named),
      target: match.target,
      fields: () => outboundFields(fields, { ...outbound, inject: injectedFields(config, sent, method, match.target) }),
      body: body === undefined || config.maxBody === undefined ? body : limitBody(body, config.maxBody),
      upgrade,
      rewriteLocation: config.rewriteLocation ? (value) => mapLocation(match.route, value, named) : undefined,
      token: sent,
      replayBuffer: config.replayBuffer,
    });
  }

  #injectedToken(token: Token | undefined, to: Addressed, request: CallerRequest): InjectedToken | undefined {
    if (token === undefined || to.config.token === null) return undefined;
    return new InjectedToken(token, this.#tokens.supply(to.config.token, request), to);
  }

  /** Basic credentials where Basic is accepted were meant for us, even if a certificate has already said who is calling. */
  #isOurs(request: CallerRequest, caller: Caller): boolean {
    if (caller.method === 'basic') return true;
    const ways = this.#parts.config.listeners[request.listener]?.authenticate;
    if (!ways?.includes('basic') && !ways?.includes('basic-passthrough')) return false;
    const authorization = fieldValue(request.fields, 'authorization');
    return authorization !== undefined && isBasic(authorization);
  }

  async close(): Promise<void> {
    await Promise.all([...this.#exits.values()].flatMap(({ connections, origins }) => [connections.close(), origins.close()]));
  }
}

function connectionsTo(origin: string, route: RouteConfig): UpstreamConnections {
  if (route.upstreamProtocol !== 'http/1.1') return new Http2Pool(origin, route);
  const pool = new Http1Pool(origin, route);
  return route.proxy === undefined || origin.startsWith('https:') ? pool : new ThroughProxy(pool, origin, route.proxy);
}

function credentialsFieldOf({ token: name }: RouteConfig, { tokens }: Config): string | undefined {
  const token = name === null ? undefined : tokens[name];
  const place = token && ownCredentialsPlace(token);
  return place?.in === 'field' ? place.field : undefined;
}

/** The route's fixed fields, and the token's last. */
function injectedFields(config: RouteConfig, token: InjectedToken | undefined, method: string, target: string): Fields {
  const fields: string[] = [];
  for (const [name, value] of Object.entries(config.headers)) fields.push(name, value.reveal());
  token?.addTo(fields, method, target);
  return fields;
}

function addressedTo(exit: Exit, named: string): Addressed {
  if (exit.named?.upstream !== named) exit.named = addressed(exit.config, named);
  return exit.named;
}

function addressed(config: RouteConfig, upstream: string): Addressed {
  const { protocol, host: ownHost } = new URL(upstream);
  const host = config.hostHeader ?? ownHost;
  // What the upstream takes for its own address is what Host says (RFC 9110 §7.1).
  return { upstream, host, origin: originOf(`${protocol}//${host}`), config, nonce: undefined };
}

/** In the spelling of the URL standard where it knows one: lower-case, without a default port. */
function originOf(url: string): string {
  return URL.canParse(url) ? new URL(url).origin : url;
}

/** RFC 7239, and what most servers read instead. */
function forwardedFields(request: CallerRequest): Fields {
  const { address, encrypted } = request.peer;
  const proto = encrypted ? 'https' : 'http';
  const node = address.includes(':') ? `"[${address}]"` : address === '' ? 'unknown' : address;
  const host = request.authority ?? fieldValue(request.fields, 'host') ?? '';
  return [
    'forwarded',
    `for=${node};proto=${proto};host="${host}"`,
    'x-forwarded-for',
    address === '' ? 'unknown' : address,
    'x-forwarded-proto',
    proto,
    'x-forwarded-host',
    host,
  ];
}
