/** A count that can be read at once, too: prom-client tells its own only to who waits for it. */

import { Counter, type Registry } from 'prom-client';

export class Count {
  readonly #counter: Counter;
  #value = 0;

  constructor(registry: Registry, name: string, help: string) {
    this.#counter = new Counter({ name, help, registers: [registry] });
  }

  inc(): void {
    this.#counter.inc();
    this.#value += 1;
  }

  get value(): number {
    return this.#value;
  }
}
