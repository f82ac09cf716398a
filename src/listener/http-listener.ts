/** A listener: binds, speaks HTTP/1.1 to callers, hands each checked request on, drains. */

import { randomUUID, type X509Certificate } from 'node:crypto';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { createServer as createTlsServer } from 'node:https';
import { Server as NetServer, type Socket } from 'node:net';
import type { TLSSocket, Server as TlsServer } from 'node:tls';
import type { ListenerConfig } from '../config/schema/listeners.ts';
import { type BrokerError, toBrokerError } from '../errors.ts';
import { type CallerRequest, fieldValue, type Peer, type PeerCertificate, type Reply } from '../message.ts';
import { bind } from './bind.ts';
import { createSiteGuard } from './cross-site.ts';
import { NodeBody, NodeReply, NodeRequest } from './node-message.ts';
import { OpenConnections } from './open-connections.ts';
import { connectRefusal, refusalOf, writeRefusal } from './refusal.ts';
import { checkRequestHead } from './request-head.ts';
import { checkTarget } from './target.ts';
import { followTlsFiles, tlsOptions, verifiedCertificate } from './tls.ts';

export interface HttpListenerParts {
  readonly name: string;
  readonly config: ListenerConfig;
  /** Takes every request whose head was acceptable. Never rejects. */
  readonly handle: (request: CallerRequest, reply: Reply) => void;
  /** Answers for a request that was refused before it could be handled. */
  readonly refuse: (error: BrokerError, request: { id: string; method: string; target: string }, reply: Reply) => void;
  readonly readCertificate: (certificate: X509Certificate) => PeerCertificate;
  /** A changed certificate or key could not be used; the old one stays. */
  readonly onTlsProblem: (cause: unknown) => void;
}

/** The request being answered on a connection. */
interface ActiveRequest {
  body: NodeBody | undefined;
  /** What came after it on the connection was refused; said once its own answer is complete. */
  refusal: BrokerError | undefined;
}

const REQUEST_ID = /^[\x21-\x7e]{1,128}$/;

export class HttpListener {
  readonly #parts: HttpListenerParts;
  readonly #server: Server;
  readonly #connections = new OpenConnections();
  readonly #checkSite: (head: { host: string; fields: readonly string[] }) => void;
  readonly #active = new WeakMap<Socket, ActiveRequest>();
  readonly #peers = new WeakMap<Socket, Peer>();
  #draining = false;

  constructor(parts: HttpListenerParts) {
    this.#parts = parts;
    this.#checkSite = createSiteGuard(parts.config);
    this.#server = this.#createServer();
  }

  get name(): string {
    return this.#parts.name;
  }

  get openConnections(): number {
    return this.#connections.size;
  }

  /** Resolves to the bound address. Rejects with Node's error, whose `code` says what is wrong. */
  bind(): Promise<string> {
    return bind(this.#server, this.#parts.config.address, this.#parts.config.mode);
  }

  /** From now on each answer closes its connection; new connections are still accepted. */
  announceClose(): void {
    this.#draining = true;
  }

  /** Stops accepting, finishes what is in flight; resolves to the number of requests cut after `graceMs`. */
  drain(graceMs: number): Promise<number> {
    this.#draining = true;
    // http.Server.close would cut idle connections at once, and with them a request that is just arriving.
    NetServer.prototype.close.call(this.#server);
    return this.#connections.drain(graceMs);
  }

  #createServer(): Server {
    const { limits, tls, authenticate } = this.#parts.config;
    const http = {
      // A little above the limit that is checked exactly on the raw fields, so that the answer is ours.
      maxHeaderSize: limits.maxHeader + limits.maxTarget + 1024,
      headersTimeout: limits.headTimeout,
      requestTimeout: 0,
      keepAliveTimeout: limits.idleTimeout,
      connectionsCheckingInterval: 1_000,
      requireHostHeader: false,
      insecureHTTPParser: false,
      noDelay: true,
    };
    const server =
      tls === undefined
        ? createServer(http)
        : createTlsServer({ ...http, ...tlsOptions(tls, authenticate), handshakeTimeout: limits.headTimeout });
    server.maxHeadersCount = 0;
    server.maxConnections = limits.maxConnections;
    const onRequest = (incoming: IncomingMessage, outgoing: ServerResponse) => this.#receive(incoming, outgoing);
    server.on('request', onRequest).on('checkContinue', onRequest).on('checkExpectation', onRequest);
    server.on('connect', (_incoming: IncomingMessage, socket: Socket) => this.#refuseOutOfTurn(socket, connectRefusal()));
    server.on('clientError', (error: NodeJS.ErrnoException, socket: Socket) => this.#onClientError(error, socket));
    server.on(tls === undefined ? 'connection' : 'secureConnection', (socket: Socket) => this.#connections.add(socket));
    if (tls !== undefined) followTlsFiles(server as TlsServer, tls, authenticate, this.#parts.onTlsProblem);
    return server;
  }

  #receive(incoming: IncomingMessage, outgoing: ServerResponse): void {
    const { name, config, handle, refuse } = this.#parts;
    const socket = incoming.socket;
    const active = this.#begin(socket, outgoing);
    const id = requestId(incoming);
    let closing = false;
    const reply = new NodeReply(outgoing, config.tls !== undefined, () => closing || this.#draining);
    try {
      const method = incoming.method as string;
      const target = incoming.url as string;
      const head = checkRequestHead({ method, target, version: incoming.httpVersion, fields: incoming.rawHeaders }, config.limits);
      checkTarget(target);
      this.#checkSite({ host: head.host, fields: incoming.rawHeaders });
      const hasBody = head.chunked || (head.length ?? 0) > 0;
      active.body = hasBody ? createBody(incoming, outgoing, head.length) : undefined;
      handle(
        new NodeRequest(incoming, outgoing, { id, listener: name, host: head.host, peer: this.#peer(socket), body: active.body }),
        reply,
      );
    } catch (error) {
      closing = true;
      refuse(toBrokerError(error, 'listener'), { id, method: incoming.method ?? '', target: incoming.url ?? '' }, reply);
    }
  }

  #begin(socket: Socket, outgoing: ServerResponse): ActiveRequest {
    const active: ActiveRequest = { body: undefined, refusal: undefined };
    const end = this.#connections.begin(socket);
    this.#active.set(socket, active);
    outgoing.once('close', () => {
      end();
      if (this.#active.get(socket) === active) this.#active.delete(socket);
      if (active.refusal !== undefined) writeRefusal(socket, active.refusal);
    });
    return active;
  }

  #peer(socket: Socket): Peer {
    let peer = this.#peers.get(socket);
    if (peer === undefined) {
      const encrypted = this.#parts.config.tls !== undefined;
      peer = {
        address: socket.remoteAddress ?? '',
        encrypted,
        certificate: this.#parts.config.authenticate.includes('mtls')
          ? verifiedCertificate(socket as TLSSocket, this.#parts.readCertificate)
          : undefined,
      };
      this.#peers.set(socket, peer);
    }
    return peer;
  }

  /** What Node's parser refuses, and time limits it enforces. */
  #onClientError(error: NodeJS.ErrnoException, socket: Socket): void {
    const refusal = refusalOf(error.code);
    if (refusal === undefined || !socket.writable) {
      socket.destroy();
      return;
    }
    const body = this.#active.get(socket)?.body;
    // The head was fine and is being handled: the exchange answers, if it still can.
    if (body?.complete === false) body.fail(refusal);
    else this.#refuseOutOfTurn(socket, refusal);
  }

  /** There is no response object for it. A request before it on the connection is answered first: answers keep their order. */
  #refuseOutOfTurn(socket: Socket, refusal: BrokerError): void {
    const active = this.#active.get(socket);
    if (active === undefined) writeRefusal(socket, refusal);
    else active.refusal = refusal;
  }
}

function createBody(incoming: IncomingMessage, outgoing: ServerResponse, length: number | undefined): NodeBody {
  // RFC 9110 §10.1.1: an HTTP/1.0 client cannot expect an interim answer.
  const expects = incoming.httpVersion === '1.1' && fieldValue(incoming.rawHeaders, 'expect') !== undefined;
  return new NodeBody(incoming, length, () => expects && !outgoing.headersSent && outgoing.writeContinue());
}

function requestId(incoming: IncomingMessage): string {
  const given = fieldValue(incoming.rawHeaders, 'x-request-id');
  return given !== undefined && REQUEST_ID.test(given) ? given : randomUUID();
}
