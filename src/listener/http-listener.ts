/** A listener: takes connections, hands each checked request on, drains. */

import type { X509Certificate } from 'node:crypto';
import type { Socket } from 'node:net';
import { createServer as createTlsServer, type TLSSocket, type Server as TlsServer } from 'node:tls';
import type { ListenerConfig } from '../config/schema/listeners.ts';
import { derive } from '../derive.ts';
import type { BrokerError } from '../errors.ts';
import type { CallerRequest, Peer, PeerCertificate, Reply } from '../message.ts';
import { createRequestId } from '../telemetry/request-id.ts';
import { BodyMemory } from '../wire/body-memory.ts';
import { Deadlines } from '../wire/deadlines.ts';
import { createHttpDate } from '../wire/http-date.ts';
import { type InletMemory, READ_BYTES } from '../wire/inlet.ts';
import { WriteMemory } from '../wire/write-memory.ts';
import { givenRequestId, type RequestFacts } from './caller-request.ts';
import type { Connection, ConnectionHost } from './connection-host.ts';
import type { Taker } from './entrances.ts';
import { FirstBytes } from './first-bytes.ts';
import { createHeadCheck, type HeadCheck } from './head-check.ts';
import { CallerConnection } from './http1/caller-connection.ts';
import { CallerSession } from './http2/caller-session.ts';
import { onceInTurn } from './once-in-turn.ts';
import type { RequestHead } from './request-head.ts';
import { followTlsFiles, presentedCertificate, type TlsObserver, tlsOptions } from './tls.ts';

/** What is known of a request that could not be handled. */
export type RefusedRequest = Pick<RequestFacts, 'id' | 'version' | 'method' | 'target'>;

export interface HttpListenerParts extends TlsObserver {
  readonly name: string;
  readonly config: ListenerConfig;
  /** Takes every request whose head was acceptable. Never rejects. */
  readonly handle: (request: CallerRequest, reply: Reply) => void;
  /** Answers for a request that was refused before it could be handled. */
  readonly refuse: (error: BrokerError, request: RefusedRequest, reply: Reply) => void;
  readonly readCertificate: (certificate: X509Certificate) => PeerCertificate;
  /** What nobody foresaw has ended a connection, and no other. */
  readonly onFault: (cause: unknown) => void;
  /** A connection beyond `maxConnections` was closed. */
  readonly onFull: () => void;
}

/**
 * Kept-alive clients may send one more request while the listener drains: idle connections are closed only after this long, and what
 * arrives before is served with `Connection: close`. Milliseconds.
 */
const IDLE_GRACE_MS = 300;

const ONLY_HTTP2 = 'HTTP/1.1 505 HTTP Version Not Supported\r\nConnection: close\r\nContent-Length: 0\r\n\r\n';

export interface DrainOptions {
  /** Ends the grace before its time. */
  readonly cut?: AbortSignal;
  /** There is time: whoever is in the TLS handshake is let in, for a request. Default: only as long as the idle are. */
  readonly lateHandshakes?: boolean;
}

export class HttpListener implements ConnectionHost, Taker {
  readonly limits: ListenerConfig['limits'];
  readonly check: HeadCheck;
  readonly date = createHttpDate();
  readonly deadlines: Deadlines;
  readonly readMemory: InletMemory;
  readonly writeMemory = new WriteMemory();
  readonly #parts: HttpListenerParts;
  readonly #requestId = createRequestId();
  /** Where there is TLS. */
  readonly #handshakes: TlsServer | undefined;
  readonly #connections = new Set<Connection>();
  /** How many connections have not finished theirs. */
  #handshaking = 0;
  #draining = false;
  /** Who has finished the TLS handshake only now is too late. */
  #deaf = false;
  #onRested = (): void => {};
  /** The config outlives this listener, and would keep it with all that it knows. */
  #unfollow = (): void => {};

  constructor(parts: HttpListenerParts) {
    this.#parts = parts;
    this.limits = parts.config.limits;
    this.deadlines = new Deadlines(Math.min(this.limits.headTimeout, this.limits.idleTimeout));
    this.readMemory = { shared: Buffer.allocUnsafeSlow(READ_BYTES), bodies: new BodyMemory(this.#connections) };
    this.check = createHeadCheck(parts.config);
    this.#handshakes = this.#createHandshakes();
  }

  get name(): string {
    return this.#parts.name;
  }

  get openConnections(): number {
    return this.#connections.size;
  }

  get draining(): boolean {
    return this.#draining;
  }

  get maxConnections(): number {
    return this.limits.maxConnections;
  }

  accept(socket: Socket): void {
    if (this.#handshakes === undefined) return this.#guardedTake(socket);
    this.#handshaking += 1;
    // What TLS takes over. Half a connection that ends in the middle of its handshake would be kept until that takes too long.
    socket.allowHalfOpen = false;
    this.#handshakes.emit('connection', socket);
  }

  refused(): void {
    this.#parts.onFull();
  }

  /** From now on each answer of HTTP/1.1 closes its connection; new connections are still taken. */
  announceClose(): void {
    this.#draining = true;
  }

  /** Finishes what is in flight, once nothing comes in any more; resolves to the number of requests cut after `graceMs`. */
  async drain(graceMs: number, { cut, lateHandshakes = false }: DrainOptions = {}): Promise<number> {
    this.#draining = true;
    // Timers come before what is there to be read: a request that has come meanwhile is read first.
    const idleGrace = setTimeout(() => setImmediate(() => this.#endIdle(lateHandshakes)), Math.min(IDLE_GRACE_MS, graceMs));
    let grace: NodeJS.Timeout | undefined;
    const over = new Promise<void>((resolve) => {
      grace = setTimeout(resolve, cut?.aborted ? 0 : graceMs);
      cut?.addEventListener('abort', () => resolve(), { once: true });
    });
    const rested = new Promise<void>((resolve) => {
      this.#onRested = onceInTurn(() => {
        if (this.#isResting()) resolve();
      });
    });
    if (this.#connections.size + this.#handshaking > 0) await Promise.race([rested, over]);
    clearTimeout(grace);
    clearTimeout(idleGrace);
    this.#onRested = () => {};
    this.#deaf = true;
    this.#unfollow();
    return this.#cutAll();
  }

  peerOf(socket: Socket): Peer {
    const { tls, authenticate } = this.#parts.config;
    return {
      address: socket.remoteAddress ?? '',
      encrypted: tls !== undefined,
      certificate:
        authenticate.includes('mtls') && tls ? presentedCertificate(socket as TLSSocket, this.#parts.readCertificate) : undefined,
    };
  }

  identify({ fields }: RequestHead): { id: string; listener: string } {
    return { id: this.#requestId(derive(fields, givenRequestId)), listener: this.name };
  }

  handle(request: CallerRequest, reply: Reply): void {
    this.#parts.handle(request, reply);
  }

  refuse(error: BrokerError, request: RefusedRequest, reply: Reply): void {
    this.#parts.refuse(error, request, reply);
  }

  fault(cause: unknown): void {
    this.#parts.onFault(cause);
  }

  rested(): void {
    this.#onRested();
  }

  closed(connection: Connection): void {
    this.#connections.delete(connection);
    this.deadlines.delete(connection);
    this.#onRested();
  }

  #createHandshakes(): TlsServer | undefined {
    const { tls } = this.#parts.config;
    if (tls === undefined) return undefined;
    const listener = { ...this.#parts.config, tls };
    const server = createTlsServer({ ...tlsOptions(listener), handshakeTimeout: this.limits.headTimeout }, (socket) => {
      socket.allowHalfOpen = true;
      this.#handshakeOver(() => this.#guardedTake(socket));
    });
    // A handshake that fails or takes too long ends nothing by itself.
    server.on('tlsClientError', (_error, socket) => this.#handshakeOver(() => socket.destroy()));
    this.#unfollow = followTlsFiles(server, listener, this.#parts);
    return server;
  }

  #handshakeOver(next: () => void): void {
    this.#handshaking -= 1;
    next();
    this.#onRested();
  }

  #guardedTake(socket: Socket): void {
    try {
      this.#take(socket);
    } catch (cause) {
      this.fault(cause);
      socket.destroy();
    }
  }

  #take(socket: Socket): void {
    const full = this.#connections.size >= this.limits.maxConnections;
    if (full) this.refused();
    if (full || this.#deaf) return void socket.destroy();
    const { tls, protocols } = this.#parts.config;
    if (tls !== undefined) this.#serve(socket, (socket as TLSSocket).alpnProtocol === 'h2');
    else if (protocols.includes('h2c')) this.#keep(new FirstBytes(socket, this, (isHttp2) => this.#serve(socket, isHttp2)));
    else this.#serve(socket, false);
  }

  #serve(socket: Socket, isHttp2: boolean): void {
    if (socket.destroyed) return;
    if (isHttp2) this.#keep(new CallerSession(socket, this));
    else if (this.#parts.config.protocols.includes('http/1.1')) this.#keep(new CallerConnection(socket, this));
    else socket.on('error', () => undefined).end(ONLY_HTTP2, () => socket.destroy());
  }

  #keep(connection: Connection): void {
    this.#connections.add(connection);
    this.deadlines.add(connection);
  }

  #endIdle(lateHandshakes: boolean): void {
    if (!lateHandshakes) this.#deaf = true;
    for (const connection of this.#connections) connection.end();
    this.#onRested();
  }

  /** Nothing is owed to anybody, and who was idle has been told. */
  #isResting(): boolean {
    if (this.#handshaking > 0 && !this.#deaf) return false;
    for (const connection of this.#connections) if (connection.inFlight > 0 || connection.idle) return false;
    return true;
  }

  #cutAll(): number {
    let cut = 0;
    for (const connection of this.#connections) {
      cut += connection.inFlight;
      connection.cut();
    }
    return cut;
  }
}
