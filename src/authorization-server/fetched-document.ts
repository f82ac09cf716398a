/** What is made of a document of another party: fetched when it is first needed, kept, and read again as it grows old. */

import type { Clock } from '../clock.ts';
import { type AuthorizationServerError, toAuthorizationServerError } from './failure.ts';

/** After a failure, while nothing serves: soon enough for those who wait, rarely enough for a server in trouble. */
const RETRY_MS = 2_000;
/** While the last good one serves on. */
const RETRY_SERVING_MS = 30_000;

/** What has become of the reads so far. Instants are monotonic. */
interface Reads<Content> {
  /** The last good one, however old. */
  readonly kept?: Content;
  readonly keptAt?: number;
  /** Of the last of all. */
  readonly failure?: AuthorizationServerError;
  readonly triedAt?: number;
}

/** One read at a time, which all who wait share; the last good one serves on while others fail. */
export class FetchedDocument<Content> {
  readonly #fetch: () => Promise<Content>;
  readonly #maxAgeMs: number;
  readonly #clock: Clock;
  #reads: Reads<Content> = {};
  #reading: Promise<Content> | undefined;

  constructor(fetch: () => Promise<Content>, maxAgeMs: number, clock: Clock) {
    this.#fetch = fetch;
    this.#maxAgeMs = maxAgeMs;
    this.#clock = clock;
  }

  get reads(): Reads<Content> {
    return this.#reads;
  }

  get reading(): boolean {
    return this.#reading !== undefined;
  }

  /** Milliseconds since the last read, whatever came of it; infinite before the first. */
  get triedAgoMs(): number {
    return this.#clock.monotonic() - (this.#reads.triedAt ?? Number.NEGATIVE_INFINITY);
  }

  /** The last good one; begins to read again in the background where that is due. Cheap. */
  current(): Content | undefined {
    if (this.triedAgoMs >= this.#pauseMs()) this.read().catch(() => undefined);
    return this.#reads.kept;
  }

  /** What comes of the read on its way, if there is one, else the last good one. Rejects while there is none. */
  async latest(): Promise<Content> {
    await this.#reading?.catch(() => undefined);
    if (this.#reads.kept === undefined) throw this.#reads.failure as AuthorizationServerError;
    return this.#reads.kept;
  }

  /** Rejects with `AuthorizationServerError`. */
  read(): Promise<Content> {
    this.#reading ??= this.#fetch()
      .then((kept) => {
        const keptAt = this.#clock.monotonic();
        this.#reads = { kept, keptAt, triedAt: keptAt };
        return kept;
      })
      .catch((error: unknown) => {
        const failure = toAuthorizationServerError(error);
        this.#reads = { ...this.#reads, failure, triedAt: this.#clock.monotonic() };
        throw failure;
      })
      .finally(() => {
        this.#reading = undefined;
      });
    return this.#reading;
  }

  /** Goes on with what `before` knows. */
  follow(before: FetchedDocument<Content>): void {
    this.#reads = before.#reads;
  }

  #pauseMs(): number {
    const { kept, failure } = this.#reads;
    if (failure === undefined) return this.#maxAgeMs;
    return Math.min(kept === undefined ? RETRY_MS : RETRY_SERVING_MS, this.#maxAgeMs);
  }
}
