/** What a listener serves: who handles its requests, and how those that it refuses are answered. */

import type { Clock } from './clock.ts';
import type { ListenerConfig } from './config/schema/listeners.ts';
import type { Config } from './config/schema/root.ts';
import type { BrokerError } from './errors.ts';
import { type AccessRecord, exchange, refuse, type Stages } from './exchange.ts';
import { ExtAuthz } from './ext-authz.ts';
import type { RefusedRequest } from './listener/http-listener.ts';
import type { CallerRequest, Reply } from './message.ts';
import type { BrokerStages } from './stages.ts';
import type { Tokens } from './token/tokens.ts';
import { TokenEndpoint } from './token-endpoint/token-endpoint.ts';

export interface Service {
  /** Handles a request to its end, noting on the record what becomes of it. Never rejects. */
  handle(request: CallerRequest, reply: Reply, record: AccessRecord): Promise<void>;
  /** Answers for one that could not be handled. */
  refuse(request: RefusedRequest, reply: Reply, error: BrokerError, record: AccessRecord): void;
}

export interface ServiceParts {
  readonly config: Config;
  readonly stages: BrokerStages;
  readonly tokens: Tokens;
  readonly clock: Clock;
}

export function createService(listener: ListenerConfig, parts: ServiceParts): Service {
  const { config, stages, tokens, clock } = parts;
  switch (listener.serve) {
    case 'proxy':
      return { handle: (request, reply, record) => exchange(request, reply, stages, record), refuse };
    case 'ext-authz':
      return new ExtAuthz(listener, parts);
    case 'token-endpoint': {
      const authenticate: Stages['authenticate'] = (request) => stages.authenticate(request);
      // What it reads of a request is as short as a head.
      return new TokenEndpoint({ config, tokens, authenticate, formTimeoutMs: listener.limits.headTimeout, clock });
    }
  }
}
