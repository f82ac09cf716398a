/** The listener, as its connections see it, and they as it sees them. */

import type { Socket } from 'node:net';
import type { BrokerError } from '../errors.ts';
import type { CallerRequest, Peer, Reply } from '../message.ts';
import type { Deadlines, Timed } from '../wire/deadlines.ts';
import type { InletMemory } from '../wire/inlet.ts';
import type { WriteMemory } from '../wire/write-memory.ts';
import type { RequestFacts } from './caller-request.ts';
import type { CheckedHead, RequestHead } from './request-head.ts';

export interface ConnectionHost {
  readonly limits: {
    readonly maxHeader: number;
    readonly maxFields: number;
    readonly maxTarget: number;
    readonly maxStreams: number;
    readonly headTimeout: number;
    readonly idleTimeout: number;
  };
  /** The value of `Date` at this moment. */
  date(): string;
  /** Each answer closes its connection. */
  readonly draining: boolean;
  readonly deadlines: Pick<Deadlines, 'add' | 'delete'>;
  /** See `Inlet`. */
  readonly readMemory: InletMemory;
  /** See `Outlet`. */
  readonly writeMemory: WriteMemory;
  peerOf(socket: Socket): Peer;
  /** Judges a head. Throws a `BrokerError`. */
  check(head: RequestHead): CheckedHead;
  /** The request's facts that the connection does not know. */
  identify(head: RequestHead): Pick<RequestFacts, 'id' | 'listener'>;
  handle(request: CallerRequest, reply: Reply): void;
  refuse(error: BrokerError, request: Pick<RequestFacts, 'id' | 'version' | 'method' | 'target'>, reply: Reply): void;
  /** What nobody foresaw has ended a connection, or a stream of one. */
  fault(cause: unknown): void;
  /** The last answer on a connection is out. */
  rested(): void;
  closed(connection: Connection): void;
}

/** A connection of a caller, in whatever version of HTTP. */
export interface Connection extends Timed {
  /** Requests whose answers are owed, or on their way. */
  readonly inFlight: number;
  /** Another request may come. */
  readonly idle: boolean;
  /** Closes it once what was written is out, if nothing is owed. */
  end(): void;
  /** Tears it down: there is no more time for what is in flight. */
  cut(): void;
}
