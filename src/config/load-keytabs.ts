/** Gives the keytabs of a config their place, and looks whose keys are in them. */

import { dirname } from 'node:path';
import { Keytab, readPrincipals } from './keytab.ts';
import { exposureFindings, fileFault } from './load-secrets.ts';
import type { ConfigPath } from './path.ts';
import { type Finding, problem } from './problem.ts';
import { readSmallFile } from './read-file.ts';
import type { ConfigSource } from './source.ts';
import { valuesIn } from './values-in.ts';

/** Resolves them in place. */
export async function loadKeytabs(config: object, { fileOf }: Pick<ConfigSource, 'fileOf'>): Promise<Finding[]> {
  const findings = await Promise.all(
    valuesIn(config, Keytab).map(({ value: keytab, path }) => {
      keytab.resolveFrom(dirname(fileOf(path)));
      return judge(keytab, path);
    }),
  );
  return findings.flat();
}

async function judge(keytab: Keytab, path: ConfigPath): Promise<Finding[]> {
  const content = await readSmallFile(keytab.path);
  if (content.fault !== undefined) return [problem(path, fileFault(content.fault))];
  const principals = readPrincipals(content.bytes);
  if (principals === undefined)
    return [problem(path, 'names a file that is no keytab, or not a whole one; write it again by ktutil or ktpass')];
  keytab.hold(principals);
  return exposureFindings(path, keytab.path, content.mode);
}
