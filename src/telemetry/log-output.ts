/** Where the lines of the log go: stdout, whatever becomes of it. No request waits for who reads the log, and none fails with it. */

import { writeSync } from 'node:fs';

/** Takes the bytes from `at` on, or the first of them; gives how many. Throws with the code of the platform. */
export type WriteBytes = (bytes: Buffer, at: number) => number;

const toStdout: WriteBytes = (bytes, at) => writeSync(1, bytes, at);

/** Characters; a pipe holds as many bytes. */
const HELD_FOR_ONE_WRITE = 64 * 1024;
/** Of what nobody takes: a pause of who reads is bridged, and no more of our memory is spent on it. */
const MOST_HELD_BYTES = 1024 * 1024;
const RETRY_MS = 20;
/** At the end of the process, for who reads slowly. */
const LAST_TRY_MS = 500;

const NOTHING = Buffer.alloc(0);
const LINE_BREAK = Buffer.from('\n');

export class LogOutput {
  readonly #writeBytes: WriteBytes;
  /** Lines of this turn of the event loop, written together: a write for each measured a quarter of the CPU time of a proxied request. */
  #held = '';
  /** What a full pipe has not taken. */
  #rest = NOTHING;
  /** All of them, and of those the ones that nobody has been told of. */
  #dropped = 0;
  #untold = 0;
  /** A disk that was full has the beginning of a line. */
  #isCut = false;
  #isScheduled = false;

  /** Runs once lines are taken again, with the number of those that were not. */
  onTakenAgain = (_dropped: number): void => {};

  constructor(writeBytes = toStdout) {
    this.#writeBytes = writeBytes;
    // For Node's own way to make a pipe one that can be full: a write to it would stop everything else until somebody reads.
    void process.stdout;
    process.on('exit', () => this.#finish());
  }

  /** Lines that nobody took, since the start. */
  get dropped(): number {
    return this.#dropped;
  }

  write(line: string): void {
    if (this.#rest.length + this.#held.length > MOST_HELD_BYTES) {
      this.#drop(1);
      return;
    }
    this.#held += line;
    if (this.#rest.length > 0) return;
    if (!this.#isScheduled) setImmediate(this.#flush);
    this.#isScheduled = true;
    if (this.#held.length > HELD_FOR_ONE_WRITE) this.#flush();
  }

  readonly #flush = (): void => {
    this.#isScheduled = false;
    const outcome = this.#push();
    if (outcome === 'taken' && this.#untold > 0) return this.#tell();
    if (outcome !== 'full') return;
    this.#isScheduled = true;
    setTimeout(this.#flush, RETRY_MS).unref();
  };

  /** `full`: the rest can be tried again. `lost`: it was dropped, since nobody will ever take it. */
  #push(): 'taken' | 'full' | 'lost' {
    const held = Buffer.from(this.#held);
    const bytes = this.#rest.length === 0 ? held : Buffer.concat([this.#rest, held]);
    this.#held = '';
    this.#rest = NOTHING;
    let at = 0;
    try {
      if (this.#isCut && bytes.length > 0) this.#writeBytes(LINE_BREAK, 0);
      this.#isCut = false;
      while (at < bytes.length) at += this.#writeBytes(bytes, at);
      return 'taken';
    } catch (error) {
      const left = bytes.subarray(at);
      if ((error as NodeJS.ErrnoException).code === 'EAGAIN') {
        this.#rest = left;
        return 'full';
      }
      this.#isCut ||= at > 0;
      this.#drop(left.toString('latin1').split('\n').length - 1);
      return 'lost';
    }
  }

  #drop(lines: number): void {
    this.#dropped += lines;
    this.#untold += lines;
  }

  #tell(): void {
    const lines = this.#untold;
    this.#untold = 0;
    this.onTakenAgain(lines);
  }

  #finish(): void {
    const sleeping = new Int32Array(new SharedArrayBuffer(4));
    for (let waitedMs = 0; this.#push() === 'full' && waitedMs < LAST_TRY_MS; waitedMs += RETRY_MS) Atomics.wait(sleeping, 0, 0, RETRY_MS);
  }
}
