/** What a test file has opened, closed after each of its tests, the last one first. */

import { afterEach } from '@jest/globals';

interface Closable {
  close(): unknown;
}

/** Call it once, where the file begins; give what it gives whatever is to be closed. */
export function closedAfterEach(): <Closed extends Closable>(each: Closed, ...others: readonly Closable[]) => Closed {
  const closing: Closable[] = [];
  afterEach(async () => {
    for (const each of closing.splice(0).reverse()) await each.close();
  });
  return (each, ...others) => {
    closing.push(each, ...others);
    return each;
  };
}
