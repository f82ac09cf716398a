/** Memory that bodies are read into, used again by the next body: making it anew for each measured a quarter of the CPU time of 1 MiB. */

/** As few reads and writes as possible where few connections share the memory, and so little for each of many that they cannot fill it. */
const MANY_BYTES = 256 * 1024;
const FEW_BYTES = 64 * 1024;
const FEW_CONNECTIONS = 64;

const MOST_SPARES = 16;

export class BodyMemory {
  readonly #connections: { readonly size: number };
  readonly #spares: Buffer[] = [];

  /** @param connections those whose bodies it is for */
  constructor(connections: { readonly size: number }) {
    this.#connections = connections;
  }

  take(): Buffer {
    const bytes = this.#bytes;
    const spare = this.#spares.pop();
    return spare?.length === bytes ? spare : Buffer.allocUnsafeSlow(bytes);
  }

  /** Only where nobody will read it any more, nor write to it. */
  giveBack(memory: Buffer): void {
    if (memory.length === this.#bytes && this.#spares.length < MOST_SPARES) this.#spares.push(memory);
  }

  get #bytes(): number {
    return this.#connections.size <= FEW_CONNECTIONS ? MANY_BYTES : FEW_BYTES;
  }
}
