/** Every value of one kind in a config, with its place. */

import type { ConfigPath } from './path.ts';

export interface Placed<Value> {
  readonly value: Value;
  readonly path: ConfigPath;
}

export function valuesIn<Value>(config: unknown, kind: new (...made: never[]) => Value, path: ConfigPath = []): Placed<Value>[] {
  if (config instanceof kind) return [{ value: config, path }];
  return entriesOf(config).flatMap(([key, child]) => valuesIn(child, kind, [...path, key]));
}

/** Keys or indexes, and what stands under them. */
export function entriesOf(value: unknown): [string | number, unknown][] {
  if (Array.isArray(value)) return value.map((item, index) => [index, item]);
  return typeof value === 'object' && value !== null ? Object.entries(value) : [];
}
