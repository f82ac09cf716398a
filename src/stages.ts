/** The four stages, put together from a config. */

import { isBasic } from './caller/basic.ts';
import type { Caller } from './caller/caller.ts';
import type { Config } from './config/schema/root.ts';
import type { RouteConfig } from './config/schema/routes.ts';
import type { Stages } from './exchange.ts';
import { type CallerRequest, type Fields, fieldValue, type Reply } from './message.ts';
import { mapLocation } from './route/location.ts';
import { createRouter, type RouteMatch, type Router } from './route/router.ts';
import { traceparent } from './telemetry/trace-context.ts';
import type { Token } from './token/token.ts';
import type { Tokens } from './token/tokens.ts';
import type { UpstreamConnections } from './upstream/connections.ts';
import { outboundFields } from './upstream/fields.ts';
import { type Forwarded, forward } from './upstream/forward.ts';
import { Http1Pool } from './upstream/http1/pool.ts';
import { limitBody } from './upstream/limited-body.ts';
import type { OnUnauthorized } from './upstream/unauthorized.ts';

type Authenticate = (request: CallerRequest) => Caller | Promise<Caller>;

export interface StagesParts {
  readonly config: Config;
  readonly tokens: Tokens;
  /** One for each listener, by its name. */
  readonly authenticators: ReadonlyMap<string, Authenticate>;
}

/** Everything of a route that is the same for each of its requests. */
interface Exit {
  readonly connections: UpstreamConnections;
  readonly host: string;
  readonly config: RouteConfig;
}

export class BrokerStages implements Stages {
  readonly #parts: StagesParts;
  readonly #router: Router;
  readonly #exits = new Map<string, Exit>();

  constructor(parts: StagesParts) {
    this.#parts = parts;
    this.#router = createRouter(parts.config.routes);
    for (const [name, route] of Object.entries(parts.config.routes)) {
      const { origin, host } = new URL(route.upstream);
      this.#exits.set(name, { connections: new Http1Pool(origin, route), host: route.hostHeader ?? host, config: route });
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
    const source = this.#parts.tokens.source(name);
    return source.peek() ?? source.get(request);
  }

  forward(request: CallerRequest, reply: Reply, caller: Caller, match: RouteMatch, token: Token | undefined): Promise<Forwarded> {
    const { connections, host, config } = this.#exits.get(match.route.name) as Exit;
    const outbound = {
      host,
      // An application's own credentials pass only where no token takes their place and they were not meant for us.
      dropAuthorization: token !== undefined || caller.method === 'basic' || this.#isOurs(request),
      requestId: request.id,
      traceparent: traceparent(fieldValue(request.fields, 'traceparent')),
      via: config.via,
      forwarded: config.forwarded ? forwardedFields(request) : [],
    };
    const fieldsWith = (used: Token | undefined) => outboundFields(request.fields, { ...outbound, inject: injectedFields(config, used) });
    const { body } = request;
    return forward(request, reply, {
      connections,
      target: match.target,
      fields: fieldsWith(token),
      body: body === undefined || config.maxBody === undefined ? body : limitBody(body, config.maxBody),
      rewriteLocation: config.rewriteLocation ? (value) => mapLocation(match.route, value) : undefined,
      mayBeSent: () => token === undefined || config.token === null || this.#parts.tokens.source(config.token).mayBeSent(token),
      onUnauthorized: this.#onUnauthorized(config, token, fieldsWith),
    });
  }

  #onUnauthorized(config: RouteConfig, token: Token | undefined, fieldsWith: (token: Token) => string[]): OnUnauthorized | undefined {
    if (token === undefined || config.token === null || config.onUnauthorized === 'pass') return undefined;
    const source = this.#parts.tokens.source(config.token);
    let newer: Token | undefined;
    return {
      scheme: (config.inject.scheme || 'Bearer').toLowerCase(),
      replayBuffer: config.replayBuffer,
      async renewedFields() {
        newer = await source.replace(token);
        return newer && fieldsWith(newer);
      },
      refusedAgain: () => void (newer && source.replace(newer, true)),
    };
  }

  /** Basic credentials where Basic is accepted were meant for us, even if a certificate has already said who is calling. */
  #isOurs(request: CallerRequest): boolean {
    if (!this.#parts.config.listeners[request.listener]?.authenticate.includes('basic')) return false;
    const authorization = fieldValue(request.fields, 'authorization');
    return authorization !== undefined && isBasic(authorization);
  }

  async close(): Promise<void> {
    await Promise.all([...this.#exits.values()].map((exit) => exit.connections.close()));
  }
}

/** The route's fixed fields, and the token's last. */
function injectedFields(config: RouteConfig, token: Token | undefined): Fields {
  const fields: string[] = [];
  for (const [name, value] of Object.entries(config.headers)) fields.push(name, value.reveal());
  if (token === undefined) return fields;
  const { header, scheme } = config.inject;
  fields.push(header, scheme === '' ? token.reveal() : `${scheme} ${token.reveal()}`);
  return fields;
}

/** RFC 7239, and what most servers read instead. */
function forwardedFields(request: CallerRequest): Fields {
  const { address, encrypted } = request.peer;
  const proto = encrypted ? 'https' : 'http';
  const node = address.includes(':') ? `"[${address}]"` : address === '' ? 'unknown' : address;
  const host = fieldValue(request.fields, 'host') ?? '';
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
