/** Ways to cut bytes into the pieces in which they arrive. */

import fc from 'fast-check';

/** The same bytes in two pieces, cut at each place in turn; then one by one. */
export function* allSplits(bytes: Buffer): Generator<Buffer[]> {
  for (let at = 0; at <= bytes.length; at += 1) yield [bytes.subarray(0, at), bytes.subarray(at)].filter((piece) => piece.length > 0);
  yield Array.from(bytes, (_byte, at) => bytes.subarray(at, at + 1));
}

/** Cuts at any places. */
export function cutAt(bytes: Buffer, places: readonly number[]): Buffer[] {
  const at = [...new Set(places.map((place) => place % (bytes.length + 1)))].sort((a, b) => a - b);
  return [0, ...at].map((from, index) => bytes.subarray(from, at[index] ?? bytes.length)).filter((piece) => piece.length > 0);
}

export const places = fc.array(fc.nat(), { maxLength: 8 });

const TOKEN_CHARACTERS = "!#$%&'*+-.^_`|~0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz".split('');

/** RFC 9110 §5.6.2. */
export const tokenText = fc.string({ unit: fc.constantFrom(...TOKEN_CHARACTERS), minLength: 1, maxLength: 12 });

const VALUE_CHARACTERS = Array.from({ length: 256 }, (_, code) => String.fromCharCode(code)).filter((character) =>
  /[\t -~\x80-\xff]/.test(character),
);

/** RFC 9110 §5.5: any byte but controls, without blanks around it. */
export const valueText = fc
  .string({ unit: fc.constantFrom(...VALUE_CHARACTERS), maxLength: 20 })
  .map((text) => text.replace(/^[\t ]+|[\t ]+$/g, ''));

/** Name, value, name, value, … */
export const fieldList = fc.array(fc.tuple(tokenText, valueText), { maxLength: 8 }).map((fields) => fields.flat());
