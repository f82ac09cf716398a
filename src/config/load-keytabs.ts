/** Gives the keytabs of a config their place, and looks whose keys are in them. */

import { dirname } from 'node:path';
import { readPrincipals } from './keytab.ts';
import { exposureFindings, fileFault } from './load-secrets.ts';
import type { ConfigPath } from './path.ts';
import { type Finding, problem } from './problem.ts';
import { readSmallFile } from './read-file.ts';
import type { Config } from './schema/root.ts';
import type { ConfigSource } from './source.ts';

/** Resolves them in place. */
export async function loadKeytabs({ listeners }: Config, { fileOf }: Pick<ConfigSource, 'fileOf'>): Promise<Finding[]> {
  const findings = await Promise.all(
    Object.entries(listeners).map(async ([name, { negotiate }]) => {
      if (negotiate === undefined) return [];
      const path = ['listeners', name, 'negotiate', 'keytab'];
      negotiate.keytab.resolveFrom(dirname(fileOf(path)));
      return judge(negotiate.keytab, path);
    }),
  );
  return findings.flat();
}

type Keytab = NonNullable<Config['listeners'][string]['negotiate']>['keytab'];

async function judge(keytab: Keytab, path: ConfigPath): Promise<Finding[]> {
  const content = await readSmallFile(keytab.path);
  if (content.fault !== undefined) return [problem(path, fileFault(content.fault))];
  const principals = readPrincipals(content.bytes);
  if (principals === undefined)
    return [problem(path, 'names a file that is no keytab, or not a whole one; write it again by ktutil or ktpass')];
  keytab.hold(principals);
  return exposureFindings(path, keytab.path, content.mode);
}
