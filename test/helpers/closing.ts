/** What a test file has opened, closed after each of its tests, the last one first. */

import { afterEach } from '@jest/globals';

/** Call it once, where the file begins; give it whatever is to be closed. */
export function closedAfterEach(): <Closed extends { close(): unknown }>(each: Closed) => Closed {
  const closing: { close(): unknown }[] = [];
  afterEach(async () => {
    for (const each of closing.splice(0).reverse()) await each.close();
  });
  return (each) => {
    closing.push(each);
    return each;
  };
}
