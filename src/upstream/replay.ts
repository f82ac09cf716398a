/** A request body that can be sent a second time, as long as it is small. */

import type { Body, BodySink, Fields } from '../message.ts';

/** Passes a body on while keeping a copy of up to `limit` bytes. */
export class ReplayableBody implements Body {
  readonly length: number | undefined;
  readonly #body: Body;
  readonly #limit: number;
  #kept: Uint8Array[] | undefined = [];
  #bytes = 0;
  /** Once the whole of it is here. */
  #trailers: Fields | undefined;

  constructor(body: Body, limit: number) {
    this.length = body.length;
    this.#body = body;
    this.#limit = limit;
  }

  /** The copy as a body, once the whole of it is here; `undefined` while it is not, or when it was too large to keep. */
  copy(): Body | undefined {
    const [chunks, trailers] = [this.#kept, this.#trailers];
    return chunks === undefined || trailers === undefined ? undefined : keptBody(this.length, chunks, trailers);
  }

  pipe(sink: BodySink): void {
    this.#body.pipe({
      chunk: (bytes) => {
        this.#keep(bytes);
        sink.chunk(bytes);
      },
      end: (trailers) => {
        this.#trailers = trailers;
        sink.end(trailers);
      },
      fail: (cause) => sink.fail(cause),
    });
  }

  pause(): void {
    this.#body.pause();
  }

  resume(): void {
    this.#body.resume();
  }

  discard(): void {
    if (this.#trailers === undefined) this.#body.discard();
  }

  #keep(bytes: Uint8Array): void {
    this.#bytes += bytes.length;
    if (this.#bytes > this.#limit) this.#kept = undefined;
    else this.#kept?.push(Buffer.from(bytes));
  }
}

function keptBody(length: number | undefined, chunks: readonly Uint8Array[], trailers: Fields): Body {
  return {
    length,
    pipe(sink) {
      for (const bytes of chunks) sink.chunk(bytes);
      sink.end(trailers);
    },
    pause: () => {},
    resume: () => {},
    discard: () => {},
  };
}
