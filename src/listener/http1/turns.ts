/** The turns of a connection: a head is read, judged and named, then its request is handled, or refused. */

import { type BrokerError, toBrokerError } from '../../errors.ts';
import type { ParsedRequestHead } from '../../wire/request-head.ts';
import type { ConnectionHost } from '../connection-host.ts';
import type { CheckedHead } from '../request-head.ts';
import { HeadReader, NO_HEAD } from './head-reader.ts';
import { Turn, type TurnCarrier } from './turn.ts';

export interface TurnTaker extends TurnCarrier {
  /** @param last nothing that follows on the connection is looked at */
  begin(turn: Turn, last: boolean): void;
}

export class Turns {
  readonly #taker: TurnTaker;
  readonly #host: ConnectionHost;
  readonly #heads: HeadReader;

  constructor(taker: TurnTaker, host: ConnectionHost) {
    this.#taker = taker;
    this.#host = host;
    this.#heads = new HeadReader(host.limits);
  }

  /** The first bytes of a head have come. */
  get begun(): boolean {
    return this.#heads.begun;
  }

  /** Index of the first byte behind a head, whose turn has begun; `undefined` while it is not whole. */
  hear(bytes: Buffer, at: number): number | undefined {
    let head = NO_HEAD;
    let checked: CheckedHead;
    try {
      const read = this.#heads.read(bytes, at);
      if (read === undefined) return undefined;
      head = read;
      checked = this.#host.check(head);
    } catch (error) {
      this.refuse(toBrokerError(error, 'listener'), head);
      return bytes.length;
    }
    const turn = new Turn(this.#taker, head, checked, this.#host.identify(head));
    this.#taker.begin(turn, !checked.persistent);
    if (turn.request !== undefined) this.#host.handle(turn.request, turn.reply);
    return this.#heads.next;
  }

  /** What follows on the connection could mean anything: nobody reads it. */
  refuse(error: BrokerError, head: ParsedRequestHead = NO_HEAD): void {
    const turn = new Turn(this.#taker, head);
    this.#taker.begin(turn, true);
    this.#host.refuse(error, { ...head, ...this.#host.identify(head) }, turn.reply);
  }
}
