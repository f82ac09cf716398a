/** One upstream answer on its way to the caller, with backpressure; a 401 may be held back while something is done about it. */

import type { BrokerError } from '../errors.ts';
import { type CallerRequest, type Fields, fieldValue, type Reply, type ReplySink } from '../message.ts';
import type { UpstreamAnswer, UpstreamConnections, UpstreamFlow, UpstreamRequest } from './connections.ts';
import { answerFields, trailerFields } from './fields.ts';
import type { Remedies } from './unauthorized.ts';

/** How an attempt ended. */
export interface Relayed {
  readonly status: number;
  readonly cut: 'upstream' | 'caller' | undefined;
  /** The answer was a 401 and was dropped: the request is to be sent again. */
  readonly again?: true;
}

export class AnswerRelay implements UpstreamAnswer {
  readonly #request: CallerRequest;
  readonly #reply: Reply;
  readonly #rewriteLocation: ((value: string) => string) | undefined;
  readonly #remedies: Remedies | undefined;
  readonly #outcome = Promise.withResolvers<Relayed>();
  #flow: UpstreamFlow | undefined;
  #sink: ReplySink | undefined;
  #status = 0;
  #nothingSent = false;
  /** What arrives while a 401 is held back; `undefined` when nothing is. */
  #held: (() => void)[] | undefined;

  constructor(request: CallerRequest, reply: Reply, rewriteLocation: ((value: string) => string) | undefined, remedies?: Remedies) {
    this.#request = request;
    this.#reply = reply;
    this.#rewriteLocation = rewriteLocation;
    this.#remedies = remedies;
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
    if (!this.#request.abandoned) this.#reply.interim(status, answerFields(fields, this.#rewriteLocation, this.#remedies?.nonceField));
  }

  head(status: number, reason: string, fields: Fields): void {
    if (this.#request.abandoned) return;
    this.#status = status;
    const remedies = this.#remedies;
    const nonceField = remedies?.nonceField;
    if (nonceField !== undefined) remedies?.takeNonce(fields);
    const start = () => {
      const passed = answerFields(fields, this.#rewriteLocation, nonceField);
      if (status === 101) passed.push('connection', 'Upgrade', 'upgrade', fieldValue(fields, 'upgrade') ?? '');
      this.#sink = this.#reply.start(status, reason, passed, () => this.#flow?.resume());
    };
    const remedy = status === 401 ? remedies?.start(fields) : undefined;
    if (remedy === undefined) start();
    else this.#holdBack(start, remedy);
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

  #holdBack(start: () => void, remedy: Promise<boolean>): void {
    this.#held = [start];
    this.#flow?.pause();
    void remedy.then((found) => (found ? this.#drop() : this.#release()));
  }

  /** Nothing helps: the 401 is the answer. */
  #release(): void {
    const held = this.#held ?? [];
    this.#held = undefined;
    if (this.#request.abandoned) return;
    for (const step of held) step();
    this.#flow?.resume();
  }

  #drop(): void {
    this.#held = [];
    this.#flow?.abort();
    this.#outcome.resolve({ status: this.#status, cut: undefined, again: true });
  }
}
