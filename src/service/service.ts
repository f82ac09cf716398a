/** What a listener serves: who handles its requests, and how those that it refuses are answered. */

import type { Clock } from '../clock.ts';
import type { Config } from '../config/schema/root.ts';
import type { BrokerError } from '../errors.ts';
import type { AccessRecord } from '../exchange.ts';
import type { RefusedRequest } from '../listener/http-listener.ts';
import type { CallerRequest, Reply } from '../message.ts';
import type { BrokerStages } from '../stages/stages.ts';
import type { Tokens } from '../token/tokens.ts';

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
