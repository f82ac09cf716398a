/** One raw config over another: objects are merged, all else replaces what was there. */

import { isObject } from './path.ts';

/** Where a value comes from is one answer: two halves of two references would be none. */
const REFERENCE_KEYS = ['fromEnv', 'fromFile', 'unsafeInline'];

export function merged(below: unknown, above: unknown): unknown {
  if (!isObject(below) || !isObject(above) || isReference(below) || isReference(above)) return above;
  const result = { ...below };
  for (const [key, value] of Object.entries(above)) result[key] = Object.hasOwn(below, key) ? merged(below[key], value) : value;
  return result;
}

function isReference(value: Record<string, unknown>): boolean {
  return REFERENCE_KEYS.some((key) => typeof value[key] === 'string');
}
