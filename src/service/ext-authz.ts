/** What an `ext-authz` listener serves: a proxy asks about a request, and is told what to put on it before it sends it on itself. */

import type { Caller } from '../caller/caller.ts';
import { ownCredentialsPlace } from '../config/own-credentials.ts';
import type { ListenerConfig } from '../config/schema/listeners.ts';
import type { RouteConfig } from '../config/schema/routes.ts';
import type { TokenConfig } from '../config/schema/tokens.ts';
import { toBrokerError } from '../errors.ts';
import { type AccessRecord, exchange, refuse, type Stages, unreadFields } from '../exchange.ts';
import { createDialect, dialectFields } from '../listener/dialect.ts';
import { type CallerRequest, type Fields, fieldValue, type Reply } from '../message.ts';
import { OVERRIDING_FIELDS } from '../route/method-overrides.ts';
import { tokenField } from '../stages/injected-token.ts';
import { sendableMs } from '../token/renewal.ts';
import type { Token } from '../token/token.ts';
import type { Forwarded } from '../upstream/forward.ts';
import type { Service, ServiceParts } from './service.ts';

const DEFAULT_MAX_REUSE_MS = 60_000;

export class ExtAuthz implements Service {
  readonly refuse = refuse;
  readonly #parts: ServiceParts;
  readonly #stages: Stages;
  readonly #maxReuseMs: number;
  readonly #dialect: NonNullable<ListenerConfig['dialect']>;
  readonly #original: (check: CallerRequest) => CallerRequest;
  /** A cache in the proxy must not give one caller what another was told. */
  readonly #vary: string;

  constructor(listener: ListenerConfig, parts: ServiceParts) {
    const { stages } = parts;
    this.#parts = parts;
    this.#maxReuseMs = listener.maxReuse ?? DEFAULT_MAX_REUSE_MS;
    this.#dialect = listener.dialect as NonNullable<ListenerConfig['dialect']>;
    this.#original = createDialect(this.#dialect, listener.limits);
    this.#vary = ['Authorization', ...dialectFields(this.#dialect), ...OVERRIDING_FIELDS].join(', ');
    this.#stages = {
      authenticate: (request) => stages.authenticate(request),
      route: (request, caller) => stages.route(request, caller),
      token: (match, request) => stages.token(match, request),
      forward: (request, reply, caller, { route }, token) => this.#grant(request, reply, caller, route.config, token),
    };
  }

  async handle(check: CallerRequest, reply: Reply, record: AccessRecord): Promise<void> {
    try {
      const original = this.#original(check);
      record.method = original.method;
      record.target = original.target;
      await exchange(original, reply, this.#stages, record);
    } catch (cause) {
      refuse(check, reply, toBrokerError(cause), record);
    }
  }

  #grant(request: CallerRequest, reply: Reply, caller: Caller, route: RouteConfig, token: Token | undefined): Promise<Forwarded> {
    request.body?.discard();
    const named = route.token === null ? undefined : this.#parts.config.tokens[route.token];
    const granted = token === undefined ? [] : [...tokenField(route.inject, token)];
    for (const [name, value] of Object.entries(route.headers)) granted.push(name, value.reveal());
    const removed = this.#dialect === 'envoy' ? this.#removed(request, named, granted) : [];
    const fields = ['content-length', '0', ...this.#reuse(caller, named, token), ...granted, ...removed, ...unreadFields(request)];
    reply.start(200, '', fields, () => {}).end([]);
    return Promise.resolve({ status: 200, cut: undefined });
  }

  #reuse({ endsAt = Number.POSITIVE_INFINITY }: Caller, named: TokenConfig | undefined, token: Token | undefined): Fields {
    const { clock } = this.#parts;
    // What a caller brought may end at any time, and what was made of it with that.
    const most = named !== undefined && ownCredentialsPlace(named) !== undefined ? 0 : this.#maxReuseMs;
    const sendable = named === undefined || token === undefined ? most : sendableMs(token, named.renew, clock);
    const left = Math.min(most, sendable, endsAt - clock.now());
    const seconds = Math.max(0, Math.floor(left / 1000));
    const control = ['cache-control', seconds === 0 ? 'no-store' : `private, max-age=${seconds}`, 'vary', this.#vary];
    // nginx before 1.23 obeys whichever of the two comes first, and would not keep what is private.
    return this.#dialect === 'nginx' ? ['x-accel-expires', String(seconds), ...control] : control;
  }

  /** What Envoy must take off the request: credentials that were for us, where nothing takes their place. */
  #removed(request: CallerRequest, named: TokenConfig | undefined, granted: Fields): Fields {
    const place = named && ownCredentialsPlace(named);
    const names = place?.in === 'field' ? [place.field] : [];
    if (named !== undefined || this.#parts.stages.isOurs(request)) names.push('authorization');
    const left = names.filter((name) => fieldValue(granted, name.toLowerCase()) === undefined);
    return left.length === 0 ? [] : ['x-envoy-auth-headers-to-remove', left.join(', ')];
  }
}
