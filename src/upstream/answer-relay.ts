/** One upstream answer on its way to the caller, with backpressure; a 401 may be held back while a newer token is fetched. */

import type { BrokerError } from '../errors.ts';
import type { CallerRequest, Fields, Reply, ReplySink } from '../message.ts';
import type { UpstreamAnswer, UpstreamConnections, UpstreamFlow, UpstreamRequest } from './connections.ts';
import { answerFields, trailerFields } from './fields.ts';
import { asksForAnotherToken, type OnUnauthorized } from './unauthorized.ts';

/** How an attempt ended. */
export interface Relayed {
  readonly status: number;
  readonly cut: 'upstream' | 'caller' | undefined;
  /** The answer was a 401 and was dropped: these fields hold a newer token. */
  readonly replayWith?: readonly string[] | undefined;
}

interface Unauthorized {
  readonly onUnauthorized: OnUnauthorized;
  /** Whether the request could be sent again, as far as its body is concerned. */
  readonly canReplay: () => boolean;
}

export class AnswerRelay implements UpstreamAnswer {
  readonly #request: CallerRequest;
  readonly #reply: Reply;
  readonly #rewriteLocation: ((value: string) => string) | undefined;
  readonly #unauthorized: Unauthorized | undefined;
  readonly #outcome = Promise.withResolvers<Relayed>();
  #flow: UpstreamFlow | undefined;
  #sink: ReplySink | undefined;
  #status = 0;
  #nothingSent = false;
  /** What arrives while a 401 is held back; `undefined` when nothing is. */
  #held: (() => void)[] | undefined;

  constructor(request: CallerRequest, reply: Reply, rewriteLocation: ((value: string) => string) | undefined, unauthorized?: Unauthorized) {
    this.#request = request;
    this.#reply = reply;
    this.#rewriteLocation = rewriteLocation;
    this.#unauthorized = unauthorized;
  }

  /** After a failure: the upstream has certainly seen nothing of the request. */
  get nothingSent(): boolean {
    return this.#nothingSent;
  }

  /** Resolves when the answer is complete, cut or dropped; rejects with a `BrokerError` while nothing has reached the caller. */
  run(connections: UpstreamConnections, request: UpstreamRequest): Promise<Relayed> {
    this.#flow = connections.send(request, this);
    this.#request.onAbandoned(() => {
      this.#flow?.abort();
      this.#outcome.resolve({ status: this.#status, cut: 'caller' });
    });
    return this.#outcome.promise;
  }

  interim(status: number, fields: Fields): void {
    if (!this.#request.abandoned) this.#reply.interim(status, answerFields(fields, this.#rewriteLocation));
  }

  head(status: number, reason: string, fields: Fields): void {
    if (this.#request.abandoned) return;
    this.#status = status;
    const start = () => {
      this.#sink = this.#reply.start(status, reason, answerFields(fields, this.#rewriteLocation), () => this.#flow?.resume());
    };
    if (status === 401 && this.#isAboutTheToken(fields)) this.#holdBack(start);
    else start();
  }

  chunk(bytes: Uint8Array): void {
    if (this.#held !== undefined) {
      const kept = Buffer.from(bytes);
      return void this.#held.push(() => this.chunk(kept));
    }
    if (this.#sink === undefined) return;
    this.#sink.chunk(bytes);
    if (this.#sink.full) this.#flow?.pause();
  }

  end(trailers: Fields): void {
    if (this.#held !== undefined) return void this.#held.push(() => this.end(trailers));
    this.#sink?.end(trailerFields(trailers));
    this.#outcome.resolve({ status: this.#status, cut: undefined });
  }

  fail(error: BrokerError, nothingSent: boolean): void {
    if (this.#held !== undefined) return void this.#held.push(() => this.fail(error, nothingSent));
    this.#nothingSent = nothingSent;
    if (this.#sink === undefined) return this.#outcome.reject(error);
    this.#sink.fail(error);
    this.#outcome.resolve({ status: this.#status, cut: 'upstream' });
  }

  #isAboutTheToken(fields: Fields): boolean {
    return this.#unauthorized !== undefined && asksForAnotherToken(fields, this.#unauthorized.onUnauthorized.scheme);
  }

  #holdBack(start: () => void): void {
    const { onUnauthorized, canReplay } = this.#unauthorized as Unauthorized;
    if (!canReplay()) {
      // This request cannot be helped any more; the next ones shall have another token.
      void onUnauthorized.renewedFields();
      return start();
    }
    this.#held = [start];
    this.#flow?.pause();
    void onUnauthorized.renewedFields().then((fields) => (fields === undefined ? this.#release() : this.#drop(fields)));
  }

  /** There is no other token: the 401 is the answer. */
  #release(): void {
    const held = this.#held ?? [];
    this.#held = undefined;
    if (this.#request.abandoned) return;
    for (const step of held) step();
    this.#flow?.resume();
  }

  #drop(fields: readonly string[]): void {
    this.#held = [];
    this.#flow?.abort();
    this.#outcome.resolve({ status: this.#status, cut: undefined, replayWith: fields });
  }
}
