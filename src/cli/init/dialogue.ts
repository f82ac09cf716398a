/** Questions on a terminal, one line each: with a keyboard's corrections, and answers that may be typed or pasted ahead. */

import { createInterface, type Interface } from 'node:readline';
import type { Io } from '../io.ts';

/** The input ended, or Ctrl-C was pressed. */
export class Abandoned extends Error {}

export class Dialogue {
  readonly #io: Io;
  readonly #input: Interface;
  readonly #lines: AsyncIterator<string>;
  #left = false;

  constructor(io: Io) {
    this.#io = io;
    this.#input = createInterface({ input: io.stdin, output: io.stderr, terminal: true, historySize: 0 });
    this.#lines = this.#input[Symbol.asyncIterator]();
    this.#input.on('close', () => {
      this.#left = true;
    });
  }

  /** What was typed, without spaces around it. Rejects with `Abandoned`. */
  async ask(question: string): Promise<string> {
    if (this.#left) throw new Abandoned();
    this.#input.setPrompt(question);
    this.#input.prompt();
    const { done, value } = await this.#lines.next();
    if (!done) return value.trim();
    this.say('');
    throw new Abandoned();
  }

  say(line: string): void {
    this.#io.stderr.write(`${line}\n`);
  }

  /** Gives the terminal back. */
  close(): void {
    this.#input.close();
  }
}
