/** The injector's config file → `InjectorConfig` with its secrets filled, or every problem with it at once. */

import type { Clock } from '../clock.ts';
import { certificateFindings } from './certificates.ts';
import { injectorJsonSchema } from './json-schema.ts';
import { loadSecrets } from './load-secrets.ts';
import { type Loaded, loadedFrom } from './loaded.ts';
import { type InjectorConfig, injectorConfig } from './schema/injector.ts';
import { QUIET, schemaFindings } from './schema-findings.ts';
import { readSource } from './source.ts';

/** Throws `ConfigError` with everything that is wrong with it. */
export async function loadInjectorConfig(file: string, env: NodeJS.ProcessEnv, clock: Pick<Clock, 'now'>): Promise<Loaded<InjectorConfig>> {
  const source = await readSource(file);
  const { data: config, error } = injectorConfig.safeParse(source.raw, QUIET);
  const secrets = config && (await loadSecrets(config, { source, env }));
  const findings = [
    ...schemaFindings(error?.issues ?? [], source.raw, injectorJsonSchema()),
    ...(config === undefined ? [] : certificateFindings(config, clock.now())),
  ];
  return loadedFrom(source, { config, secrets, findings });
}
