/** Reads the answers of an upstream off its connection, strictly, one after the other (RFC 9112 §4 and §6). */

import { BodyReader } from '../../wire/body-reader.ts';
import { FieldSections } from '../../wire/field-lines.ts';
import { HeadCollector } from '../../wire/head-collector.ts';
import { mayBecomeResponse, type ParsedResponseHead, parseResponseHead } from '../../wire/response-head.ts';
import { WireError } from '../../wire/wire-error.ts';
import { MAX_HEAD_BYTES, MAX_INTERIM_ANSWERS } from '../connections.ts';
import type { Http1Flow } from './flow.ts';
import { checkSwitch } from './switching.ts';

export class AnswerReader {
  readonly #heads = new HeadCollector(MAX_HEAD_BYTES);
  readonly #sections = new FieldSections();
  #head: ParsedResponseHead | undefined;
  #body: BodyReader | undefined;
  #interims = 0;

  /** The next bytes are those of another answer. */
  begin(): void {
    this.#head = undefined;
    this.#body = undefined;
    this.#interims = 0;
  }

  /** Of the final answer, once it is here. */
  get head(): ParsedResponseHead | undefined {
    return this.#head;
  }

  /** What follows the head is another protocol, to the end of the connection. */
  get isTunnel(): boolean {
    return this.#head?.status === 101;
  }

  get done(): boolean {
    return this.#body?.done === true;
  }

  /** Fields behind the body; there once `done`. */
  get trailers(): readonly string[] {
    return this.#body?.trailers ?? [];
  }

  /** Whether the answer is complete when the connection ends now. */
  get endsWithConnection(): boolean {
    return this.#body?.endsWithConnection === true;
  }

  /**
   * Reads a head, or of a body what is there, and passes it on; gives the index of the first byte that has not been looked at. Throws
   * `WireError`.
   */
  read(bytes: Buffer, from: number, flow: Http1Flow): number {
    if (this.#body !== undefined) return this.#body.read(bytes, from);
    const text = this.#heads.collect(bytes, from);
    if (text !== undefined) {
      this.#onHead(text, flow);
      return this.#heads.next;
    }
    if (!mayBecomeResponse(this.#heads.beginning)) throw new WireError('malformed', 'the answer is not HTTP/1.1');
    return bytes.length;
  }

  #onHead(text: string, flow: Http1Flow): void {
    const { method, upgrade } = flow.request;
    const head = parseResponseHead(text, method, this.#sections);
    if (head.status === 101) checkSwitch(head, upgrade);
    else if (head.status < 200) {
      this.#interims += 1;
      if (this.#interims > MAX_INTERIM_ANSWERS) throw new WireError('malformed', 'the upstream sent too many interim answers');
      return flow.answer.interim(head.status, head.fields);
    }
    this.#head = head;
    this.#body = new BodyReader(head.framing, (bytes) => flow.over || flow.answer.chunk(bytes));
    flow.answer.head(head.status, head.reason, head.fields);
  }
}
