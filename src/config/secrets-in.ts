/** Every secret of a config, with its place. */

import type { ConfigPath } from './path.ts';
import { Secret } from './secret.ts';

export interface PlacedSecret {
  readonly secret: Secret;
  readonly path: ConfigPath;
}

export function secretsIn(value: unknown, path: ConfigPath = []): PlacedSecret[] {
  if (value instanceof Secret) return [{ secret: value, path }];
  return entriesOf(value).flatMap(([key, child]) => secretsIn(child, [...path, key]));
}

/** Keys or indexes, and what stands under them. */
export function entriesOf(value: unknown): [string | number, unknown][] {
  if (Array.isArray(value)) return value.map((item, index) => [index, item]);
  return typeof value === 'object' && value !== null ? Object.entries(value) : [];
}
