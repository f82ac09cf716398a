/** Rules about `callers`: who is who must be beyond doubt. */

import { type Finding, problem, warning } from '../problem.ts';
import type { Config } from '../schema/root.ts';
import { isUnknownCaller } from '../schema/values.ts';
import type { Rule } from './rule.ts';

export const callerRules: Rule = ({ config, complete }) => [
  ...sameIdentity(config, 'username', ({ basic }, name) => (basic === undefined ? undefined : (basic.username ?? name))),
  ...sameIdentity(config, 'mtls', ({ mtls }) => (mtls === undefined ? undefined : JSON.stringify(Object.entries(mtls).sort()))),
  ...Object.keys(config.callers)
    .filter(isUnknownCaller)
    .map((name) => problem(['callers', name], 'is the name of those who are not authenticated; choose another', 'key')),
  ...(complete ? unused(config) : []),
];

type Caller = Config['callers'][string];

function sameIdentity(
  { callers }: Config,
  what: 'username' | 'mtls',
  identityOf: (caller: Caller, name: string) => string | undefined,
): Finding[] {
  const owners = new Map<string, string>();
  return Object.entries(callers).flatMap(([name, caller]) => {
    const identity = identityOf(caller, name);
    if (identity === undefined) return [];
    const owner = owners.get(identity);
    if (owner === undefined) owners.set(identity, name);
    if (owner === undefined) return [];
    const path = what === 'mtls' ? ['callers', name, 'mtls'] : ['callers', name, 'basic', 'username'];
    const same = what === 'mtls' ? 'matches the same certificates as' : 'is the same user name as that of';
    return [problem(path, `${same} "callers.${owner}"; each caller needs its own`)];
  });
}

function unused({ callers, routes, tokens }: Config): Finding[] {
  const used = new Set([...Object.values(routes), ...Object.values(tokens)].flatMap((open) => open.callers));
  if (used.has('*')) return [];
  return Object.keys(callers)
    .filter((name) => !used.has(name))
    .map((name) => warning(['callers', name], 'may use nothing; list it under "callers" of a route or a token, or remove it', 'key'));
}
