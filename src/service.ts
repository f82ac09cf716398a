/** What a listener serves: who handles its requests, and how those that it refuses are answered. */

import type { ListenerConfig } from './config/schema/listeners.ts';
import type { BrokerError } from './errors.ts';
import { type AccessRecord, exchange, refuse, type Stages } from './exchange.ts';
import type { RefusedRequest } from './listener/http-listener.ts';
import type { CallerRequest, Reply } from './message.ts';

export interface Service {
  /** Handles a request to its end, noting on the record what becomes of it. Never rejects. */
  handle(request: CallerRequest, reply: Reply, record: AccessRecord): Promise<void>;
  /** Answers for one that could not be handled. */
  refuse(request: RefusedRequest, reply: Reply, error: BrokerError, record: AccessRecord): void;
}

export function createService(listener: ListenerConfig, stages: Stages): Service {
  switch (listener.serve) {
    case 'proxy':
      return { handle: (request, reply, record) => exchange(request, reply, stages, record), refuse };
  }
}
