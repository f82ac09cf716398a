/** Where the broker of a config is asked about itself: read without the secrets of that config, and whatever is wrong with the rest of it. */

import { parseAdmin } from './parse.ts';
import { ConfigError } from './problem.ts';
import type { Address } from './schema/values.ts';
import { readSource } from './source.ts';

/** Rejects with a `ConfigError`. */
export async function readAdminAddress(file: string): Promise<Address> {
  const source = await readSource(file);
  const { admin, findings } = parseAdmin(source.raw);
  if (admin === undefined) throw new ConfigError(findings.map(source.place));
  return admin.address;
}
