/** A terminal as a command sees one: a stream that says so, and notes whether its echo is off. */

import { PassThrough } from 'node:stream';

export class Terminal extends PassThrough {
  readonly isTTY = true;
  readonly modes: boolean[] = [];

  setRawMode(raw: boolean): this {
    this.modes.push(raw);
    return this;
  }
}
