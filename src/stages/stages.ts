/** The four stages, put together from a config. */

import type { Authenticator } from '../caller/authenticate.ts';
import type { Caller } from '../caller/caller.ts';
import { namesScheme } from '../caller/challenge.ts';
import type { Clock } from '../clock.ts';
import type { Config } from '../config/schema/root.ts';
import type { Secret } from '../config/secret.ts';
import { derive, deriveFields } from '../derive.ts';
import { type AccessRecord, type AskingRequest, failureOf, type Stages, unreadFields } from '../exchange.ts';
import { type CallerRequest, type Fields, fieldValue, type Reply } from '../message.ts';
import type { Tracing } from '../operation/tracing.ts';
import { createRouter, type RouteMatch, type Router } from '../route/router.ts';
import { createTraceparent, receivedTraceparent } from '../telemetry/trace-context.ts';
import type { Token } from '../token/token.ts';
import type { Tokens } from '../token/tokens.ts';
import { ownFields } from '../upstream/fields.ts';
import { type Forwarded, forward } from '../upstream/forward.ts';
import { checkLength, limitBody } from '../upstream/limited-body.ts';
import { answerAsLast, countedDown, forwardsLeft } from '../upstream/max-forwards.ts';
import { type Destination, Exit } from './exit.ts';
import { InjectedToken } from './injected-token.ts';
import { RequestTokens } from './request-tokens.ts';

export interface StagesParts {
  readonly config: Config;
  readonly tokens: Tokens;
  readonly clock: Clock;
  /** One for each listener, by its name. */
  readonly authenticators: ReadonlyMap<string, Authenticator>;
  readonly tracing?: Pick<Tracing, 'traceparent'> | undefined;
}

export class BrokerStages implements Stages {
  readonly #parts: StagesParts;
  readonly #router: Router;
  readonly #exits = new Map<string, Exit>();
  readonly #tokens: RequestTokens;
  readonly #newTraceparent = createTraceparent();

  constructor(parts: StagesParts) {
    this.#parts = parts;
    this.#router = createRouter(parts.config.routes);
    this.#tokens = new RequestTokens(parts.tokens, parts.config);
    for (const name of Object.keys(parts.config.routes)) this.#exits.set(name, new Exit(name, parts.config, parts.clock));
  }

  authenticate(request: AskingRequest): Caller | Promise<Caller> {
    return (this.#parts.authenticators.get(request.listener) as Authenticator)(request);
  }

  route(request: CallerRequest, caller: Caller): RouteMatch {
    const match = this.#router.match(request, caller);
    checkLength(request.body, match.route.config.maxBody);
    return match;
  }

  token(match: RouteMatch, request: CallerRequest): Token | undefined | Promise<Token> {
    const name = match.route.config.token;
    if (name === null) return undefined;
    const source = this.#tokens.source(name, request);
    return source.peek() ?? source.get(request);
  }

  forward(request: CallerRequest, reply: Reply, _caller: Caller, match: RouteMatch, token: Token | undefined): Promise<Forwarded> {
    const exit = this.#exits.get(match.route.name) as Exit;
    const { config } = match.route;
    const { method, body } = request;
    const left = forwardsLeft(method, request.fields);
    if (left === 0) {
      body?.discard();
      return Promise.resolve(answerAsLast(reply, unreadFields(request)));
    }
    const fields = left === undefined ? request.fields : countedDown(request.fields, left);
    const upgrade = config.upgrade ? request.upgrade : undefined;
    const named = token?.upstreamOrigin;
    const to = exit.destination(named);
    const sent = this.#injectedToken(token, to, request);
    // An application's own credentials pass only where no token takes their place and they were not meant for us.
    const dropAuthorization = token !== undefined || (request.authority === undefined && this.isOurs(request));
    const hasProof = token?.dpopKey !== undefined;
    const own = ownFields({
      requestId: request.id,
      traceparent: this.#parts.tracing?.traceparent(request) ?? (derive(fields, receivedTraceparent) || this.#newTraceparent()),
      via: config.via ? request.version : undefined,
      upgrade: upgrade?.protocols,
    });
    if (config.forwarded) own.push(...forwardedFields(request));
    for (const header of Object.keys(config.headers)) own.push(header, (config.headers[header] as Secret).reveal());
    return forward(request, reply, {
      connections: exit.connectionsTo(named),
      target: match.target,
      fields: () => {
        const passed = deriveFields(fields, to.passing(dropAuthorization, hasProof));
        return sent === undefined ? [passed, own] : [passed, own, sent.fields(method, match.target)];
      },
      body: body === undefined || config.maxBody === undefined ? body : limitBody(body, config.maxBody),
      upgrade,
      answerPassing: to.answerPassing(hasProof),
      token: sent,
      replayBuffer: config.replayBuffer,
    });
  }

  #injectedToken(token: Token | undefined, to: Destination, request: CallerRequest): InjectedToken | undefined {
    if (token === undefined || to.config.token === null) return undefined;
    return new InjectedToken(token, this.#tokens.supply(to.config.token, request), to);
  }

  /** What a listener accepts was meant for us (Basic, bearer tokens, tickets), even if a certificate has already said who is calling. */
  isOurs(request: CallerRequest): boolean {
    const ways = this.#parts.config.listeners[request.listener]?.authenticate ?? [];
    const authorization = fieldValue(request.fields, 'authorization') ?? '';
    if (namesScheme(authorization, 'bearer')) return ways.includes('jwt');
    if (namesScheme(authorization, 'negotiate')) return ways.includes('negotiate');
    return namesScheme(authorization, 'basic') && (ways.includes('basic') || ways.includes('basic-passthrough'));
  }

  /** Where requests leave, by route. */
  exits(): ReadonlyMap<string, Exit> {
    return this.#exits;
  }

  /** An exchange has ended: the upstream's failures are counted, our own limits and mistakes on the way to it are not. */
  ended(record: AccessRecord): void {
    const code = failureOf(record);
    if (code?.startsWith('UPSTREAM_')) this.#exits.get(record.route ?? '')?.failures.add(code);
  }

  async close(): Promise<void> {
    await Promise.all([...this.#exits.values()].map((exit) => exit.close()));
  }
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
