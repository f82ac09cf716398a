/** Fields as `node:http2` takes trailers and interim heads: by their lower-case names. */

import type { Fields } from '../message.ts';

/** Without a prototype, for names such as "constructor". */
export function groupedFields(fields: Fields): Record<string, string[]> {
  const groups: Record<string, string[]> = Object.create(null);
  for (let i = 0; i < fields.length; i += 2) {
    const name = (fields[i] as string).toLowerCase();
    groups[name] ??= [];
    groups[name].push(fields[i + 1] as string);
  }
  return groups;
}
