/** How much of a long row of the catalogue is run: scaled down in `npm test`, whole in `npm run test:long`. */

export const LONG = process.env['LONG'] === '1';

/** A count for `npm test`, and the one of the catalogue. */
export function scaled(short: number, whole: number): number {
  return LONG ? whole : short;
}
