/** The first engine towards upstreams: undici's pool behind `UpstreamConnections`. */

import { Readable } from 'node:stream';
import { Client, type Dispatcher, Pool } from 'undici';
import type { RouteConfig } from '../config/schema/routes.ts';
import { BrokerError } from '../errors.ts';
import type { Body } from '../message.ts';
import type { UpstreamAnswer, UpstreamConnections, UpstreamFlow, UpstreamRequest } from './connections.ts';
import { toUpstreamError } from './failure.ts';
import { tlsIdentity } from './tls-identity.ts';

export class UndiciConnections implements UpstreamConnections {
  readonly #origin: string;
  readonly #options: Client.Options;
  readonly #pool: Pool;

  /** @param origin scheme, host and port of the upstream */
  constructor(origin: string, route: Pick<RouteConfig, 'timeouts' | 'upstreamTls'>) {
    const { timeouts, upstreamTls } = route;
    this.#origin = origin;
    this.#options = {
      allowH2: false,
      pipelining: 1,
      maxHeaderSize: 64 * 1024,
      headersTimeout: timeouts.response,
      bodyTimeout: timeouts.idle,
      connect: {
        timeout: timeouts.connect,
        ...(tlsIdentity(upstreamTls) as object),
      },
    };
    this.#pool = new Pool(origin, this.#options);
  }

  send(request: UpstreamRequest, answer: UpstreamAnswer): UpstreamFlow {
    const dispatcher: Dispatcher = request.fresh ? new Client(this.#origin, this.#options) : this.#pool;
    const flow = new UndiciFlow(answer, () => request.fresh && void dispatcher.close());
    dispatcher.dispatch(
      {
        method: request.method,
        path: request.target,
        headers: framed(request),
        body: request.body === undefined ? null : toReadable(request.body),
        reset: request.fresh,
      },
      flow,
    );
    return flow;
  }

  async close(): Promise<void> {
    await this.#pool.destroy();
  }
}

function framed(request: UpstreamRequest): string[] {
  const length = request.body?.length;
  return length === undefined ? (request.fields as string[]) : [...request.fields, 'content-length', String(length)];
}

/** undici's events on one side, `UpstreamAnswer` and `UpstreamFlow` on the other. */
class UndiciFlow implements Dispatcher.DispatchHandler, UpstreamFlow {
  readonly #answer: UpstreamAnswer;
  readonly #done: () => void;
  #controller: Dispatcher.DispatchController | undefined;
  #aborted = false;
  #paused = false;

  constructor(answer: UpstreamAnswer, done: () => void) {
    this.#answer = answer;
    this.#done = done;
  }

  onRequestStart(controller: Dispatcher.DispatchController): void {
    this.#controller = controller;
    if (this.#aborted) controller.abort(abandoned());
    else if (this.#paused) controller.pause();
  }

  onResponseStart(controller: Dispatcher.DispatchController, status: number, _headers: unknown, reason?: string): void {
    if (status < 200) return;
    this.#answer.head(status, reason ?? '', rawFields(controller.rawHeaders as Buffer[]));
  }

  onResponseData(_controller: Dispatcher.DispatchController, chunk: Buffer): void {
    this.#answer.chunk(chunk);
  }

  onResponseEnd(): void {
    this.#done();
    this.#answer.end();
  }

  onResponseError(_controller: Dispatcher.DispatchController, error: Error): void {
    this.#done();
    if (!this.#aborted) this.#answer.fail(toUpstreamError(error));
  }

  pause(): void {
    this.#paused = true;
    this.#controller?.pause();
  }

  resume(): void {
    this.#paused = false;
    this.#controller?.resume();
  }

  abort(): void {
    this.#aborted = true;
    this.#controller?.abort(abandoned());
  }
}

function abandoned(): BrokerError {
  return new BrokerError('UPSTREAM_RESET', 'the exchange was given up', { stage: 'upstream' });
}

/** One character is one byte, as on the wire. */
function rawFields(raw: readonly Buffer[]): string[] {
  return raw.map((bytes) => bytes.toString('latin1'));
}

/** A `Body` as the stream that undici takes. */
function toReadable(body: Body): Readable {
  let piped = false;
  return new Readable({
    read() {
      if (piped) return body.resume();
      piped = true;
      body.pipe({
        chunk: (bytes) => {
          if (!this.push(bytes)) body.pause();
        },
        end: () => this.push(null),
        fail: (cause) => this.destroy(cause),
      });
    },
    destroy(error, done) {
      body.discard();
      done(error);
    },
  });
}
