/** What a rule sees of a config, and the wordings that rules share. */

import { isLoopbackHost } from '../loopback.ts';
import type { Names } from '../parse.ts';
import type { ConfigPath } from '../path.ts';
import { type Finding, problem, warning } from '../problem.ts';
import type { Config } from '../schema/root.ts';
import { type Address, nearestOf } from '../schema/values.ts';

export interface RuleContext {
  /** Without the entries that have problems of their own. Secrets are filled where they could be. */
  readonly config: Config;
  readonly names: Names;
  /** Whether nothing is missing from `config`: only then can anything be called unused. */
  readonly complete: boolean;
}

/** One concern of the contract: what it refuses, what it warns about. */
export type Rule = (context: RuleContext) => Finding[];

/** What a section's entries are called in messages. */
const NOUNS = {
  listeners: 'listener',
  callers: 'caller',
  authorizationServers: 'authorization server',
  tokens: 'token',
} as const;

/** A name at `path` that must be one of a section. */
export function referenceFindings(name: string, section: keyof typeof NOUNS, path: ConfigPath, { names, config }: RuleContext): Finding[] {
  const known = names[section];
  if (known === undefined || known.includes(name)) return [];
  const nearest = nearestOf(name, known);
  // Whoever takes a user out of the file must not have the next start fail.
  if (section === 'callers' && config.callersFile !== undefined)
    return [
      warning(
        path,
        `names caller "${name}", whom neither "callers" nor "callersFile" has${nearest === undefined ? '' : `; did you mean "${nearest}"?`}`,
      ),
    ];
  const wayOut = nearest === undefined ? `define it under "${section}", or correct the name` : `did you mean "${nearest}"?`;
  return [problem(path, `names unknown ${NOUNS[section]} "${name}"; ${wayOut}`)];
}

/** Whether only this machine can connect. */
export function isLocal(address: Address): boolean {
  return address.kind === 'unix' || isLoopbackHost(address.host);
}

/** Whether a URL sends in the clear to another machine: its own host, or the proxy on the way. */
export function isExposedHttp(text: string | undefined, proxy?: { readonly url: string }): boolean {
  const url = text === undefined || !URL.canParse(text) ? undefined : new URL(text);
  return url?.protocol === 'http:' && (!isLoopbackHost(url.hostname) || isExposedHttp(proxy?.url));
}
