/** Field names are the same whatever their case. */

import type { ConfigPath } from '../path.ts';
import { type Finding, problem } from '../problem.ts';

/** Names in one map of fields that differ by case only. */
export function sameFieldFindings(fields: readonly string[], path: ConfigPath): Finding[] {
  const seen = new Set<string>();
  return fields.flatMap((field) => {
    const folded = field.toLowerCase();
    if (seen.has(folded))
      return [problem([...path, field], 'is there twice, since case does not matter in field names; remove one of the two', 'key')];
    seen.add(folded);
    return [];
  });
}
