/** One upstream answer on its way to the caller, with backpressure; a 401 may be held back while something is done about it. */

import { type Derivation, deriveFields } from '../derive.ts';
import { type BrokerError, toBrokerError } from '../errors.ts';
import { type CallerRequest, type Fields, fieldValue, type Reply, type ReplySink } from '../message.ts';
import type { UpstreamAnswer, UpstreamConnections, UpstreamFlow, UpstreamRequest } from './connections.ts';
import { proxyChallenge } from './failure.ts';
import { trailerFields } from './fields.ts';

/** How an attempt ended. */
export interface Relayed {
  readonly status: number;
  readonly cut: 'upstream' | 'caller' | undefined;
  /** The answer was a 401 and was dropped: the request is to be sent again. */
  readonly again?: true;
}

export interface RelayOwner {
  /**
   * The final head is here. What is being done about it before the caller sees it: resolves to whether the request is to be sent again.
   * `undefined`: nothing, it is the answer.
   */
  answered(status: number, fields: Fields): Promise<boolean> | undefined;
  // Exactly one of the following is called, once.
  /** The answer is complete, cut or dropped. */
  relayed(outcome: Relayed): void;
  /**
   * Nothing has reached the caller.
   *
   * @param nothingSent the upstream has certainly seen nothing of the request
   */
  failed(error: BrokerError, nothingSent: boolean): void;
}

export interface RelayParts {
  readonly request: CallerRequest;
  readonly reply: Reply;
  /** Which fields of the answer the caller gets. */
  readonly passing: Derivation<Fields>;
}

export class AnswerRelay implements UpstreamAnswer {
  readonly #parts: RelayParts;
  readonly #owner: RelayOwner;
  #flow: UpstreamFlow | undefined;
  #sink: ReplySink | undefined;
  #status = 0;
  #over = false;
  /** What arrives while a 401 is held back; `undefined` when nothing is. */
  #held: (() => void)[] | undefined;

  constructor(parts: RelayParts, owner: RelayOwner) {
    this.#parts = parts;
    this.#owner = owner;
  }

  run(connections: UpstreamConnections, request: UpstreamRequest): void {
    this.#flow = connections.send(request, this);
    this.#parts.request.onAbandoned(() => {
      this.#flow?.abort();
      this.#end({ status: this.#status, cut: 'caller' });
    });
  }

  interim(status: number, fields: Fields): void {
    const { request, reply, passing } = this.#parts;
    try {
      if (!request.abandoned) reply.interim(status, deriveFields(fields, passing));
    } catch (cause) {
      this.#fault(cause);
    }
  }

  head(status: number, reason: string, fields: Fields): void {
    if (this.#parts.request.abandoned) return;
    this.#status = status;
    try {
      if (status === 407) return this.#refuse(proxyChallenge());
      const remedy = this.#owner.answered(status, fields);
      if (remedy === undefined) this.#start(reason, fields);
      else this.#holdBack(() => this.#start(reason, fields), remedy);
    } catch (cause) {
      this.#fault(cause);
    }
  }

  chunk(bytes: Uint8Array): void {
    if (this.#held !== undefined) {
      const kept = Buffer.from(bytes);
      return void this.#held.push(() => this.chunk(kept));
    }
    if (this.#sink === undefined) return;
    try {
      this.#sink.chunk(bytes);
      if (this.#sink.full) this.#flow?.pause();
    } catch (cause) {
      this.#fault(cause);
    }
  }

  end(trailers: Fields): void {
    if (this.#held !== undefined) return void this.#held.push(() => this.end(trailers));
    try {
      this.#sink?.end(trailerFields(trailers));
      this.#end({ status: this.#status, cut: undefined });
    } catch (cause) {
      this.#fault(cause);
    }
  }

  fail(error: BrokerError, nothingSent: boolean): void {
    if (this.#held !== undefined) return void this.#held.push(() => this.fail(error, nothingSent));
    if (this.#over) return;
    try {
      if (this.#sink === undefined) this.#owner.failed(error, nothingSent);
      else {
        this.#sink.fail(error);
        // A caller whose body breaks off ends both directions.
        this.#owner.relayed({ status: this.#status, cut: error.stage === 'upstream' ? 'upstream' : 'caller' });
      }
      this.#over = true;
    } catch (cause) {
      this.#fault(cause);
    }
  }

  #start(reason: string, fields: Fields): void {
    const { reply, passing } = this.#parts;
    const passed = deriveFields(fields, passing);
    const shown = this.#status === 101 ? [...passed, 'connection', 'Upgrade', 'upgrade', fieldValue(fields, 'upgrade') ?? ''] : passed;
    this.#sink = reply.start(this.#status, reason, shown, () => this.#flow?.resume());
  }

  #end(outcome: Relayed): void {
    if (this.#over) return;
    this.#over = true;
    this.#owner.relayed(outcome);
  }

  #holdBack(start: () => void, remedy: Promise<boolean>): void {
    this.#held = [start];
    this.#flow?.pause();
    remedy.then((found) => (found ? this.#drop() : this.#release())).catch((cause: unknown) => this.#fault(cause));
  }

  /** The caller gets our answer instead. */
  #refuse(error: BrokerError): void {
    this.#over = true;
    this.#flow?.abort();
    this.#owner.failed(error, false);
  }

  /** Nobody foresaw it: this request ends here, and no other. */
  #fault(cause: unknown): void {
    if (this.#over) return;
    this.#over = true;
    this.#held = undefined;
    this.#flow?.abort();
    const error = toBrokerError(cause, 'upstream');
    this.#owner.failed(error, false);
    this.#sink?.fail(error);
  }

  /** Nothing helps: the 401 is the answer. */
  #release(): void {
    const held = this.#held ?? [];
    this.#held = undefined;
    if (this.#parts.request.abandoned) return;
    for (const step of held) step();
    this.#flow?.resume();
  }

  #drop(): void {
    this.#held = [];
    this.#flow?.abort();
    this.#end({ status: this.#status, cut: undefined, again: true });
  }
}
