/** Config file → `Config` with its secrets filled, or every problem with it at once. */

import { type Clock, systemClock } from '../clock.ts';
import { takenNameProblem, withFileCallers } from './callers-file.ts';
import { certificateFindings } from './certificates.ts';
import { loadKeptFiles } from './load-kept-files.ts';
import { loadKeytabs } from './load-keytabs.ts';
import { loadOwners } from './load-owners.ts';
import { loadSecrets } from './load-secrets.ts';
import { type Loaded, loadedFrom } from './loaded.ts';
import { withOtelEnvironment } from './otel-environment.ts';
import { parseConfig } from './parse.ts';
import { type Finding, problem, warning } from './problem.ts';
import { proxyEnvironmentFindings } from './proxy-environment.ts';
import { ruleFindings } from './rules.ts';
import type { Config } from './schema/root.ts';
import { readSource } from './source.ts';

export interface LoadOptions {
  /** Default: that of the process. */
  readonly env?: NodeJS.ProcessEnv;
  /** What the config is for: `demo` is for "dev" only. Default: "start". */
  readonly use?: 'start' | 'dev' | 'check';
  /** Default: that of the process. */
  readonly clock?: Pick<Clock, 'now'>;
  /** What the config asks for, and this program cannot do. Default: nothing. */
  readonly lacks?: (config: Config) => readonly Finding[];
}

export type LoadedConfig = Loaded<Config>;

/** Reads, judges and completes a config. Throws `ConfigError` with everything that is wrong with it. */
export async function loadConfig(file: string, options: LoadOptions = {}): Promise<LoadedConfig> {
  const { env = process.env, use = 'start', clock = systemClock, lacks = () => [] } = options;
  const source = await readSource(file);
  const { raw, findings: otelFindings } = withOtelEnvironment(source.raw, env);
  const { config, complete, names, findings } = parseConfig(raw);
  config?.callersFile?.checkFurther((text) => takenNameProblem(text, config.callers));
  const secrets = config && (await loadSecrets(config, { source, env }));
  const keptFileFindings = config === undefined ? [] : await loadKeptFiles(config, source, secrets?.files ?? []);
  const ownerFindings = config === undefined ? [] : await loadOwners(config);
  const keytabFindings = config === undefined ? [] : await loadKeytabs(config, source);
  const all = [
    ...findings,
    ...(config === undefined ? [] : certificateFindings(config, clock.now())),
    ...keptFileFindings,
    ...ownerFindings,
    ...keytabFindings,
    ...(config === undefined ? [] : [...ruleFindings({ config, names: withFileCallers(names, config), complete }), ...lacks(config)]),
    ...useFindings(source.raw, use),
    ...environmentFindings(env),
    ...(config === undefined ? [] : proxyEnvironmentFindings(config, env)),
    ...otelFindings,
  ];
  return loadedFrom(source, { config, secrets, findings: all });
}

function useFindings(raw: unknown, use: LoadOptions['use']): Finding[] {
  if (use === 'dev' || typeof raw !== 'object' || raw === null || !('demo' in raw)) return [];
  if (use === 'check') return [warning(['demo'], 'is for "token-broker dev"; "token-broker start" refuses it', 'key')];
  return [problem(['demo'], 'is for "token-broker dev" only; remove it for "token-broker start"', 'key')];
}

function environmentFindings(env: NodeJS.ProcessEnv): Finding[] {
  if (env['NODE_TLS_REJECT_UNAUTHORIZED'] !== '0') return [];
  return [
    problem(
      [],
      'the environment has NODE_TLS_REJECT_UNAUTHORIZED=0, which accepts any certificate from any server; unset it, and name the certificates to trust in "tls.ca" or "upstreamTls.ca"',
    ),
  ];
}
