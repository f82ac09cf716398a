/** The value of `Date` (RFC 9110 §6.6.1), made once for each second. */

/** @param now milliseconds since the epoch */
export function createHttpDate(now: () => number = Date.now): () => string {
  let second = Number.NaN;
  let text = '';
  return () => {
    const current = Math.floor(now() / 1000);
    if (current !== second) {
      second = current;
      text = new Date(current * 1000).toUTCString();
    }
    return text;
  };
}
