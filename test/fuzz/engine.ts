/** The engine from the caller's bytes to the upstream's and back, in process: everything but sockets, stages and pool. */

import type { OnReadOpts } from 'node:net';
import { listener as listenerSchema } from '../../src/config/schema/listeners.ts';
import { deriveFields } from '../../src/derive.ts';
import { type BrokerError, toBrokerError } from '../../src/errors.ts';
import { createRecord, refuse } from '../../src/exchange.ts';
import type { ConnectionHost } from '../../src/listener/connection-host.ts';
import { createHeadCheck } from '../../src/listener/head-check.ts';
import { CallerConnection } from '../../src/listener/http1/caller-connection.ts';
import type { CallerRequest, Reply } from '../../src/message.ts';
import type { ConnectionCounts, UpstreamConnections } from '../../src/upstream/connections.ts';
import type { Dialed, Dialer } from '../../src/upstream/dial.ts';
import { createAnswerPassing, createPassing, ownFields } from '../../src/upstream/fields.ts';
import { forward } from '../../src/upstream/forward.ts';
import { type ConnectionOwner, Http1Connection } from '../../src/upstream/http1/connection.ts';
import { Http1Flow } from '../../src/upstream/http1/flow.ts';
import { BodyMemory } from '../../src/wire/body-memory.ts';
import { READ_BYTES } from '../../src/wire/inlet.ts';
import { WriteMemory } from '../../src/wire/write-memory.ts';
import { type FramedRequest, frame } from '../helpers/message-framing.ts';
import { FakeSocket } from './fake-socket.ts';

export interface Outcome {
  /** Whole requests as the upstream got them, in order. */
  readonly forwarded: readonly FramedRequest[];
  /** What the upstream got and could not frame, or more than one request on a connection: must stay empty. */
  readonly problems: readonly string[];
  /** Everything that the caller got. */
  readonly answered: Buffer;
  /** The broker ended the connection to the caller. */
  readonly closed: boolean;
}

export const OK = 'HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok';

const LISTENER = listenerSchema.parse({ address: '127.0.0.1:0', authenticate: ['anonymous'] });
const LIMITS = LISTENER.limits;
const BODY_MEMORY = new BodyMemory({ size: 1 });
const READ_MEMORY = { shared: Buffer.alloc(READ_BYTES), bodies: BODY_MEMORY };
const WRITE_MEMORY = new WriteMemory();
const check = createHeadCheck(LISTENER);
const HOUR = 3_600_000;

/** @param answer what the upstream says to each whole request; with `end`, and then closes */
export async function runEngine(
  pieces: readonly Buffer[],
  answer: { readonly bytes: readonly Buffer[]; readonly end: boolean } = { bytes: [Buffer.from(OK)], end: false },
): Promise<Outcome> {
  const upstream = new FakeUpstream(answer);
  const socket = new FakeSocket();
  const connection = new CallerConnection(
    socket.asSocket(),
    hostOf((request, reply) => void send(request, reply, upstream)),
  );
  for (const piece of pieces) {
    socket.feed(piece);
    await Promise.resolve();
  }
  // All that is still to happen happens in this turn: there is no kernel to wait for.
  await new Promise((resolve) => setImmediate(resolve));
  const outcome = {
    forwarded: upstream.whole,
    problems: upstream.problems,
    answered: socket.written,
    closed: socket.destroyed || !socket.writable,
  };
  connection.breakOff(false);
  await upstream.close();
  return outcome;
}

const PASSING = createPassing({ host: 'upstream', dropAuthorization: true, replaced: ['Authorization'] });
const ANSWER_PASSING = createAnswerPassing(undefined);

async function send(request: CallerRequest, reply: Reply, connections: UpstreamConnections): Promise<void> {
  const own = ownFields({ requestId: request.id, traceparent: '-', via: request.version, upgrade: undefined });
  const fields = () => [deriveFields(request.fields, PASSING), [...own, 'Authorization', 'Bearer our-token']];
  const { target, body } = request;
  try {
    await forward(request, reply, {
      connections,
      target,
      fields,
      body,
      upgrade: undefined,
      answerPassing: ANSWER_PASSING,
      token: undefined,
      replayBuffer: 0,
    });
  } catch (error) {
    answerFailure(toBrokerError(error), request, reply);
  }
}

function answerFailure(error: BrokerError, request: Parameters<ConnectionHost['refuse']>[1], reply: Reply): void {
  refuse(request, reply, error, createRecord({ ...request, listener: 'fuzz' }, 0));
}

function hostOf(handle: (request: CallerRequest, reply: Reply) => void): ConnectionHost {
  return {
    limits: LIMITS,
    draining: false,
    date: () => 'Sun, 22 Nov 2026 12:00:00 GMT',
    deadlines: { add() {}, delete() {} },
    readMemory: READ_MEMORY,
    writeMemory: WRITE_MEMORY,
    peerOf: () => ({ address: '127.0.0.1', encrypted: false, certificate: undefined }),
    check,
    identify: () => ({ id: 'fuzz', listener: 'fuzz' }),
    handle,
    refuse: answerFailure,
    fault(cause) {
      throw cause;
    },
    rested() {},
    closed() {},
  };
}

class FakeUpstream implements UpstreamConnections, ConnectionOwner {
  readonly timeouts = { connect: HOUR, response: HOUR, idle: HOUR };
  readonly idleMs = HOUR;
  readonly writeMemory = WRITE_MEMORY;
  readonly bodyMemory = BODY_MEMORY;
  readonly whole: FramedRequest[] = [];
  readonly problems: string[] = [];
  readonly #connections: Http1Connection[] = [];
  readonly #answer: { readonly bytes: readonly Buffer[]; readonly end: boolean };

  constructor(answer: { readonly bytes: readonly Buffer[]; readonly end: boolean }) {
    this.#answer = answer;
  }

  counts(): ConnectionCounts {
    return { open: this.#connections.length, idle: 0, queued: 0 };
  }

  send(request: Parameters<UpstreamConnections['send']>[0], taker: Parameters<UpstreamConnections['send']>[1]): Http1Flow {
    const flow = new Http1Flow(request, taker);
    this.#connections.push(new Http1Connection({ dial: (onread: OnReadOpts) => this.#dial(onread) } as unknown as Dialer, this, flow));
    return flow;
  }

  released(connection: Http1Connection): void {
    connection.close();
  }

  closed(): void {}

  async close(): Promise<void> {
    for (const connection of this.#connections) connection.close();
  }

  #dial(onread: OnReadOpts): Dialed {
    const socket = new UpstreamSocket((sent) => this.#look(sent, socket, onread));
    queueMicrotask(() => socket.emit('connect'));
    return { socket: socket.asSocket(), ready: 'connect' };
  }

  /** Answers once the request is whole. */
  #look(sent: Buffer, socket: UpstreamSocket, onread: OnReadOpts): void {
    const framed = frame(sent);
    if (framed.state === 'broken') this.problems.push(`not framed: ${framed.problem}`);
    if (framed.state !== 'whole') return;
    if (framed.rest.length > 0) this.problems.push('more than one request');
    this.whole.push(framed.request);
    socket.answered = true;
    queueMicrotask(() => {
      for (const piece of this.#answer.bytes) give(piece, socket, onread);
      if (this.#answer.end && !socket.destroyed) socket.emit('end');
    });
  }
}

/** Bytes as `onread` of node:net gives them: in memory that is used again. */
function give(piece: Buffer, socket: FakeSocket, { buffer, callback }: OnReadOpts): void {
  for (let at = 0; at < piece.length && !socket.destroyed; ) {
    const memory = (typeof buffer === 'function' ? buffer() : buffer) as Buffer;
    const bytes = piece.copy(memory, 0, at);
    callback(bytes, memory);
    at += bytes;
  }
}

/** Tells of each write. */
class UpstreamSocket extends FakeSocket {
  answered = false;
  readonly #onSent: (sent: Buffer) => void;

  constructor(onSent: (sent: Buffer) => void) {
    super();
    this.#onSent = onSent;
  }

  override write(...given: Parameters<FakeSocket['write']>): boolean {
    const result = super.write(...given);
    if (this.answered) this.#onSent(Buffer.concat([this.written]));
    else queueMicrotask(() => !this.answered && this.#onSent(this.written));
    return result;
  }

  // The engine wraps these to hear of refused writes; there are none here.
  _write(): void {}
}
