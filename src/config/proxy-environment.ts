/** The variables by which other programs learn of an HTTP proxy: nothing here goes by them, and whoever may count on it is told so. */

import { isLoopbackHost } from './loopback.ts';
import type { ConfigPath } from './path.ts';
import { type Finding, warning } from './problem.ts';
import type { Config } from './schema/root.ts';

/** A place of the config that is called without a proxy. */
interface Direct {
  readonly path: ConfigPath;
  readonly url: string | undefined;
}

/** One warning at most: such variables are often there for all programs of a machine. */
export function proxyEnvironmentFindings(config: Config, env: NodeJS.ProcessEnv): Finding[] {
  const passedBy = directCalls(config).flatMap(({ path, url }) => {
    const variable = url !== undefined && URL.canParse(url) ? variableFor(new URL(url), env) : undefined;
    return variable === undefined ? [] : [{ path, variable }];
  });
  const [first, ...others] = passedBy;
  if (first === undefined) return [];
  const more = others.length === 0 ? '' : `, as ${others.length === 1 ? 'is one other' : `are ${others.length} others`}`;
  const wayOut = 'give "proxy" there, or, where direct is right, name the host in NO_PROXY';
  return [warning(first.path, `is called directly${more}: ${first.variable} of the environment is not used; ${wayOut}`, 'key')];
}

function directCalls({ authorizationServers, callers, routes }: Config): Direct[] {
  const servers = Object.entries(authorizationServers).map(([name, { proxy, issuer, metadataUrl, tokenEndpoint }]) => ({
    path: ['authorizationServers', name],
    proxy,
    url: tokenEndpoint ?? metadataUrl ?? issuer,
  }));
  const issuers = Object.entries(callers).map(([name, { jwt }]) => ({
    path: ['callers', name, 'jwt'],
    proxy: jwt?.proxy,
    url: jwt?.keys === undefined ? (jwt?.jwksUri ?? jwt?.issuer) : undefined,
  }));
  const upstreams = Object.entries(routes).map(([name, { proxy, upstream, upstreamSocket }]) => ({
    path: ['routes', name],
    proxy,
    url: upstreamSocket === undefined ? upstream : undefined,
  }));
  return [...servers, ...issuers, ...upstreams].filter(({ proxy }) => proxy === undefined);
}

/** By which other programs would go on the way to this URL. */
function variableFor(url: URL, env: NodeJS.ProcessEnv): string | undefined {
  if (isLoopbackHost(url.hostname) || isExempt(url, env['NO_PROXY'] || env['no_proxy'] || '')) return undefined;
  const names = [`${url.protocol.slice(0, -1)}_proxy`, 'all_proxy'];
  return names.flatMap((name) => [name.toUpperCase(), name]).find((name) => env[name]);
}

/** As most programs read NO_PROXY: `*`, or names with all below them, each with a port or for all ports. */
function isExempt({ hostname, port, protocol }: URL, list: string): boolean {
  const ownPort = port || (protocol === 'https:' ? '443' : '80');
  return list.split(/[\s,]+/).some((entry) => {
    if (entry === '*') return true;
    const [, name = '', onlyPort = ownPort] = /^(?:\*?\.)?(.*?)(?::(\d+))?$/.exec(entry.toLowerCase()) ?? [];
    return name !== '' && onlyPort === ownPort && `.${hostname}`.endsWith(`.${name}`);
  });
}
