/** What the word `serve` of a listener stands for. */

import type { ListenerConfig } from '../config/schema/listeners.ts';
import { exchange, refuse, type Stages } from '../exchange.ts';
import { ExtAuthz } from './ext-authz.ts';
import type { Service, ServiceParts } from './service.ts';
import { TokenEndpoint } from './token-endpoint/token-endpoint.ts';

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
      const { authenticate: ways, limits } = listener;
      return new TokenEndpoint({ config, tokens, authenticate, ways, formTimeoutMs: limits.headTimeout, clock });
    }
  }
}
