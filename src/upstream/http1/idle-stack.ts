/** Connections that wait for a request: the one used last is used next, so that what is not needed grows old. */

/** Its place in a stack, which alone writes it. */
export interface Stacked<Each> {
  below?: Each | undefined;
  above?: Each | undefined;
}

/** Links through those who stand in it: each enters and leaves at the same cost, wherever it stands, and nothing is allocated. */
export class IdleStack<Each extends Stacked<Each>> {
  #top: Each | undefined;
  #oldest: Each | undefined;
  #size = 0;

  get size(): number {
    return this.#size;
  }

  get oldest(): Each | undefined {
    return this.#oldest;
  }

  push(each: Each): void {
    each.below = this.#top;
    if (this.#top === undefined) this.#oldest = each;
    else this.#top.above = each;
    this.#top = each;
    this.#size += 1;
  }

  pop(): Each | undefined {
    const top = this.#top;
    if (top !== undefined) this.delete(top);
    return top;
  }

  /** Of one that does not stand in it, nothing becomes. */
  delete(each: Each): void {
    const { below, above } = each;
    if (above === undefined && each !== this.#top) return;
    if (above === undefined) this.#top = below;
    else above.below = below;
    if (below === undefined) this.#oldest = above;
    else below.above = above;
    each.below = undefined;
    each.above = undefined;
    this.#size -= 1;
  }
}
