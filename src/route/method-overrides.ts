/** Methods that fields ask for in the place of the request's own: who may not delete must not delete by a POST that says so. */

import type { Fields } from '../message.ts';

export const OVERRIDING_FIELDS: readonly string[] = ['X-HTTP-Method-Override', 'X-HTTP-Method', 'X-Method-Override'];

/** These, with `_` and `.` as lenient servers read them. */
const OVERRIDE = /^x[-_.](?:http[-_.])?method(?:[-_.]override)?[-_.]*$/i;

export function methodOverrides(fields: Fields): readonly string[] {
  const methods: string[] = [];
  for (let i = 0; i < fields.length; i += 2) {
    const name = fields[i] as string;
    // Shorter than the shortest of them are most.
    if (name.length < 8 || !OVERRIDE.test(name)) continue;
    const method = (fields[i + 1] as string).trim().toUpperCase();
    if (method !== '') methods.push(method);
  }
  return methods;
}
