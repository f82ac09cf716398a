/** Rules about `negotiate`, of listeners and callers: whose tickets are read with which keys, and who a principal is. */

import type { Keytab } from '../keytab.ts';
import type { ConfigPath } from '../path.ts';
import { type Finding, problem, warning } from '../problem.ts';
import type { NegotiateConfig } from '../schema/callers.ts';
import type { ListenerConfig } from '../schema/listeners.ts';
import type { Config } from '../schema/root.ts';
import { principalPattern } from '../wildcard.ts';
import type { Rule } from './rule.ts';

export const negotiateRules: Rule = ({ config }) => [
  ...Object.entries(config.listeners).flatMap(([name, listener]) => listenerFindings(listener, ['listeners', name])),
  ...otherKeytabFindings(config),
  ...callerFindings(config),
];

function listenerFindings({ authenticate, negotiate }: ListenerConfig, path: ConfigPath): Finding[] {
  const at = authenticate.indexOf('negotiate');
  if (at === -1) {
    if (negotiate === undefined) return [];
    return [warning([...path, 'negotiate'], 'has no effect; add "negotiate" to "authenticate", or remove it', 'key')];
  }
  if (negotiate === undefined)
    return [problem([...path, 'authenticate', at], 'is "negotiate", and nothing says where its keys are; give "negotiate.keytab"')];
  return principalFindings(negotiate, [...path, 'negotiate']);
}

/** How many principals of a keytab are told: more would not be read. */
const MOST_TOLD = 5;

function principalFindings({ keytab, principal }: NonNullable<ListenerConfig['negotiate']>, path: ConfigPath): Finding[] {
  const { principals } = keytab;
  // A file with a problem of its own is told about elsewhere.
  if (principals === undefined) return [];
  const held = principals.length === 0 ? 'none at all' : principals.slice(0, MOST_TOLD).join(', ');
  if (principal === undefined) {
    if (principals.some((each) => each.startsWith('HTTP/'))) return [];
    return [problem([...path, 'keytab'], `holds no key of a principal "HTTP/…", but of ${held}; add one, or name another in "principal"`)];
  }
  return principal
    .filter((each) => !principals.includes(each))
    .map((each) => problem([...path, 'principal'], `names "${each}", and the keytab holds keys of ${held}; correct it, or add the key`));
}

/** One process has one: whoever names another would have tickets read with the wrong keys. */
function otherKeytabFindings({ listeners }: Config): Finding[] {
  const named = Object.entries(listeners).flatMap(([name, { negotiate }]): [string, Keytab][] =>
    negotiate === undefined ? [] : [[name, negotiate.keytab]],
  );
  const [[first, keytab] = ['', undefined], ...others] = named;
  return others
    .filter(([, other]) => other.path !== keytab?.path)
    .map(([name]) =>
      problem(
        ['listeners', name, 'negotiate', 'keytab'],
        `is another than that of "listeners.${first}", and the Kerberos library reads one in a process; put all keys into one, and tell them apart by "principal"`,
      ),
    );
}

function callerFindings({ callers }: Config): Finding[] {
  const earlier: [string, NegotiateConfig][] = [];
  return Object.entries(callers).flatMap(([name, { negotiate }]) => {
    if (negotiate === undefined) return [];
    const path = ['callers', name, 'negotiate'];
    const rival = earlier.find(([, other]) => takesAllOf(other, negotiate) && takesAllOf(negotiate, other));
    earlier.push([name, negotiate]);
    return rival === undefined ? [] : [problem(path, `fits the same principals as "callers.${rival[0]}"; each caller needs its own`)];
  });
}

function takesAllOf(wide: NegotiateConfig, narrow: NegotiateConfig): boolean {
  return narrow.principal.every((asked) => wide.principal.some((allowed) => covers(allowed, asked)));
}

function covers(wide: string, narrow: string): boolean {
  return wide === narrow || (!narrow.includes('*') && principalPattern(wide).test(narrow));
}
