/** The listener, as its connections see it. */

import type { Socket } from 'node:net';
import type { BrokerError } from '../../errors.ts';
import type { CallerRequest, Peer, Reply } from '../../message.ts';
import type { ParsedRequestHead } from '../../wire/request-head.ts';
import type { CheckedHead } from '../request-head.ts';
import type { CallerConnection } from './caller-connection.ts';
import type { RequestFacts } from './caller-request.ts';

export interface ConnectionHost {
  readonly limits: { readonly maxHeader: number; readonly maxTarget: number; readonly headTimeout: number; readonly idleTimeout: number };
  /** Each answer closes its connection. */
  readonly draining: boolean;
  /** See `Inlet`. */
  readonly readMemory: Buffer;
  peerOf(socket: Socket): Peer;
  /** Judges a head. Throws a `BrokerError`. */
  check(head: ParsedRequestHead): CheckedHead;
  /** The request's facts that the connection does not know. */
  identify(head: ParsedRequestHead): Pick<RequestFacts, 'id' | 'listener'>;
  handle(request: CallerRequest, reply: Reply): void;
  refuse(error: BrokerError, request: Pick<RequestFacts, 'id' | 'method' | 'target'>, reply: Reply): void;
  /** The last answer on a connection is out. */
  rested(): void;
  closed(connection: CallerConnection): void;
}
