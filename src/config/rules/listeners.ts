/** Rules about `listeners`, `admin` and `probes`: addresses, and who can authenticate there. */

import { isIPv4 } from 'node:net';
import { canonicalIPv6 } from '../loopback.ts';
import type { ConfigPath } from '../path.ts';
import { type Finding, problem, warning } from '../problem.ts';
import type { ListenerConfig } from '../schema/listeners.ts';
import type { Config } from '../schema/root.ts';
import type { Address } from '../schema/values.ts';
import { isLocal, type Rule } from './rule.ts';

export const listenerRules: Rule = ({ config, complete }) => [
  ...Object.entries(config.listeners).flatMap(([name, listener]) => [
    ...nameFindings(name),
    ...protectionFindings(listener, ['listeners', name]),
    ...protocolFindings(listener, ['listeners', name]),
  ]),
  ...(complete ? Object.entries(config.listeners).flatMap(([name, listener]) => emptyFindings(listener, ['listeners', name], config)) : []),
  ...adminFindings(config),
  ...collisions(config),
];

/** In the log, in the status and where addresses are bound, it would be taken for the other. */
function nameFindings(name: string): Finding[] {
  if (name !== 'admin' && name !== 'probes') return [];
  return [problem(['listeners', name], `has the name of an address of the broker's own ("${name}"); choose another`, 'key')];
}

function protectionFindings(listener: ListenerConfig, path: ConfigPath): Finding[] {
  const { address, serve, authenticate, tls, unsafeAnonymous, unsafePlaintext } = listener;
  const findings: Finding[] = [];
  if (authenticate.includes('anonymous') && !isLocal(address) && !unsafeAnonymous) {
    findings.push(
      problem(
        [...path, 'authenticate'],
        'accepts "anonymous" on an address that is not loopback; take it out, listen on 127.0.0.1, or say "unsafeAnonymous": true',
      ),
    );
  }
  const takesPasswords = authenticate.includes('basic') || authenticate.includes('basic-passthrough');
  const takesTokens = authenticate.includes('jwt') || authenticate.includes('negotiate');
  const exposed = serve !== 'proxy' ? 'hands out tokens' : takesPasswords ? 'takes passwords' : takesTokens ? 'takes tokens' : undefined;
  if (exposed !== undefined && tls === undefined && !isLocal(address) && !unsafePlaintext) {
    findings.push(
      problem(
        [...path, 'address'],
        `${exposed} without TLS on an address that is not loopback; give "tls", listen on 127.0.0.1, or say "unsafePlaintext": true`,
      ),
    );
  }
  if (authenticate.includes('basic') && authenticate.includes('basic-passthrough')) {
    findings.push(
      problem(
        [...path, 'authenticate'],
        'has both "basic" and "basic-passthrough": whose credentials came in could not be told; give each a listener of its own',
      ),
    );
  }
  if (authenticate.includes('mtls') && tls?.clientCa === undefined) {
    findings.push(problem([...path, 'authenticate'], 'has "mtls" without certificates to trust; give "tls.clientCa"'));
  }
  findings.push(...accessFindings(listener, path));
  if (unsafeAnonymous)
    findings.push(warning([...path, 'unsafeAnonymous'], 'lets everyone who can reach the address in without proof of who they are'));
  if (unsafePlaintext)
    findings.push(
      warning(
        [...path, 'unsafePlaintext'],
        `lets ${serve !== 'proxy' || takesTokens ? 'passwords and tokens' : 'passwords'} travel unencrypted, for all on the way to read`,
      ),
    );
  return findings;
}

function accessFindings(
  section: Pick<ListenerConfig, 'mode' | 'owner'> & { readonly address?: Address | undefined },
  path: ConfigPath,
): Finding[] {
  if (section.address?.kind === 'unix') return [];
  const given = (['mode', 'owner'] as const).filter((key) => section[key] !== undefined);
  return given.map((key) => warning([...path, key], 'has no effect; only a Unix socket has an owner and a mode'));
}

function protocolFindings({ protocols, tls }: ListenerConfig, path: ConfigPath): Finding[] {
  const misplaced = tls === undefined ? 'h2' : 'h2c';
  const at = protocols.indexOf(misplaced);
  if (at === -1) return [];
  const wayOut = tls === undefined ? 'needs "tls"; give it, or say "h2c" for HTTP/2 in the clear' : 'stands beside "tls"; say "h2"';
  return [problem([...path, 'protocols', at], wayOut)];
}

function emptyFindings({ authenticate }: ListenerConfig, path: ConfigPath, { callers, callersFile }: Config): Finding[] {
  const open = authenticate.some(
    (way) =>
      way === 'anonymous' ||
      way === 'basic-passthrough' ||
      (way === 'basic' && callersFile !== undefined) ||
      Object.values(callers).some((caller) => caller[way] !== undefined),
  );
  return open ? [] : [warning([...path, 'authenticate'], 'lets nobody in: no caller has any of these ways; define one under "callers"')];
}

function adminFindings({ admin, probes }: Config): Finding[] {
  const access = [...accessFindings(admin, ['admin']), ...accessFindings(probes, ['probes'])];
  if (isLocal(admin.address)) return access;
  return [
    ...access,
    problem(
      ['admin', 'address'],
      'is not loopback, yet can renew, purge and stop; use 127.0.0.1 or a Unix socket ("probes.address" may be open)',
    ),
  ];
}

interface Bound {
  readonly path: ConfigPath;
  readonly address: Address;
}

function collisions({ listeners, admin, probes }: Config): Finding[] {
  const bound: Bound[] = Object.entries(listeners).map(([name, { address }]) => ({ path: ['listeners', name, 'address'], address }));
  // First, so that a listener on the admin's default address is the one that is told.
  bound.unshift({ path: ['admin', 'address'], address: admin.address });
  if (probes.address !== undefined) bound.push({ path: ['probes', 'address'], address: probes.address });
  return bound.flatMap(({ path, address }, index) => {
    const other = bound.slice(0, index).find((earlier) => overlap(earlier.address, address));
    return other === undefined
      ? []
      : [problem(path, `is taken by "${other.path.slice(0, -1).join('.')}" already; choose another port or path`)];
  });
}

function overlap(a: Address, b: Address): boolean {
  if (a.kind === 'unix' || b.kind === 'unix') return a.kind === b.kind && 'path' in a && 'path' in b && a.path === b.path;
  if (a.port !== b.port || a.port === 0) return false;
  const [one, two] = [canonicalHost(a.host), canonicalHost(b.host)];
  return one === two || covers(one, two) || covers(two, one);
}

/** Whether binding a wildcard address takes the other too. Node binds `::` for both families. */
function covers(wildcard: string, host: string): boolean {
  return wildcard === '::' || (wildcard === '0.0.0.0' && (isIPv4(host) || host === 'localhost'));
}

function canonicalHost(host: string): string {
  return host.includes(':') ? canonicalIPv6(host) : host.toLowerCase();
}
