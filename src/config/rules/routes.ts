/** Rules about `routes`: what they name exists, no two compete for a request, the token is not sent in the clear. */

import type { ConfigPath } from '../path.ts';
import { type Finding, problem, warning } from '../problem.ts';
import type { RouteConfig } from '../schema/routes.ts';
import { isUnknownCaller } from '../schema/values.ts';
import { boundRouteFindings } from './bound-tokens.ts';
import { sameFieldFindings } from './fields.ts';
import { isExposedHttp, type Rule, type RuleContext, referenceFindings } from './rule.ts';

export const routeRules: Rule = (context) => {
  const routes = Object.entries(context.config.routes);
  return [
    ...routes.flatMap(([name, route]) => [
      ...references(route, ['routes', name], context),
      ...protectionFindings(route, ['routes', name]),
      ...fieldFindings(route, ['routes', name]),
      ...wayFindings(route, ['routes', name]),
      ...patternFindings(route, ['routes', name]),
      ...protocolFindings(route, ['routes', name]),
      ...boundRouteFindings(route, ['routes', name], context.config.tokens[route.token ?? '']),
    ]),
    ...competitors(routes),
  ];
};

function references(route: RouteConfig, path: ConfigPath, context: RuleContext): Finding[] {
  const callers = route.callers.flatMap((caller, index) =>
    caller === '*' || isUnknownCaller(caller) ? [] : referenceFindings(caller, 'callers', [...path, 'callers', index], context),
  );
  const listeners = (route.listeners ?? []).flatMap((listener, index) =>
    referenceFindings(listener, 'listeners', [...path, 'listeners', index], context),
  );
  const token = route.token === null ? [] : referenceFindings(route.token, 'tokens', [...path, 'token'], context);
  const nobody = route.callers.length === 0 ? [warning(path, 'lists no "callers": nobody may use it', 'key')] : [];
  return [...callers, ...listeners, ...token, ...nobody];
}

function protectionFindings(route: RouteConfig, path: ConfigPath): Finding[] {
  if (route.unsafeHttp) return [warning([...path, 'unsafeHttp'], 'lets the token travel unencrypted, for all on the way to read')];
  if (route.upstreamSocket !== undefined || !isExposedHttp(route.upstream, route.proxy)) return [];
  return [
    problem(
      [...path, 'upstream'],
      'is http to a host that is not loopback, where the token travels unencrypted; use https, or say "unsafeHttp": true',
    ),
  ];
}

function protocolFindings({ upstream, upstreamProtocol, upgrade, proxy }: RouteConfig, path: ConfigPath): Finding[] {
  if (upstreamProtocol === 'http/1.1') return [];
  const secure = upstream.startsWith('https:');
  const findings: Finding[] = [];
  if (secure !== (upstreamProtocol === 'h2')) {
    findings.push(
      problem([...path, 'upstreamProtocol'], `does not fit "upstream"; say "${secure ? 'h2' : 'h2c'}" for ${secure ? 'https' : 'http'}`),
    );
  }
  if (upgrade) findings.push(problem([...path, 'upgrade'], 'needs an upstream of HTTP/1.1; HTTP/2 has no upgrades', 'key'));
  if (proxy !== undefined && !secure)
    findings.push(problem([...path, 'proxy'], 'cannot carry HTTP/2 in the clear; use https, "http/1.1", or no proxy', 'key'));
  return findings;
}

function wayFindings({ upstreamSocket, proxy }: RouteConfig, path: ConfigPath): Finding[] {
  if (upstreamSocket === undefined || proxy === undefined) return [];
  return [problem([...path, 'proxy'], 'stands beside "upstreamSocket", and there is one way to an upstream; remove one of them', 'key')];
}

/** Where others write patterns. */
function patternFindings({ path: prefix }: RouteConfig, path: ConfigPath): Finding[] {
  if (!prefix.includes('*')) return [];
  return [warning([...path, 'path'], 'holds a "*", which stands for itself alone; remove it, since what is below a path belongs to it')];
}

function fieldFindings({ headers, inject, token }: RouteConfig, path: ConfigPath): Finding[] {
  const fields = Object.keys(headers);
  const same = sameFieldFindings(fields, [...path, 'headers']);
  const taken = token === null ? undefined : fields.find((field) => field.toLowerCase() === inject.header.toLowerCase());
  if (taken === undefined) return same;
  return [
    ...same,
    problem([...path, 'headers', taken], 'is the field that carries the token; remove it, or choose another "inject.header"', 'key'),
  ];
}

type Named = readonly [name: string, route: RouteConfig];

/** Routes that could both take a request of the same caller, neither being the narrower. */
function competitors(routes: readonly Named[]): Finding[] {
  const earlier = new Map<string, Named[]>();
  return routes.flatMap(([name, route]) => {
    const place = `${route.host ?? ''} ${route.path}`;
    const rivals = earlier.get(place) ?? [];
    earlier.set(place, [...rivals, [name, route]]);
    const rival = rivals.find(([, other]) => compete(route, other));
    if (rival === undefined) return [];
    return [
      problem(
        ['routes', name],
        `takes the same requests of the same caller as "routes.${rival[0]}"; tell them apart by "path", "host", "methods", "listeners" or "callers"`,
        'key',
      ),
    ];
  });
}

function compete(a: RouteConfig, b: RouteConfig): boolean {
  return meet(withHead(a.methods), withHead(b.methods)) && meet(a.listeners, b.listeners) && shareCaller(a.callers, b.callers);
}

function withHead(methods: readonly string[] | undefined): readonly string[] | undefined {
  return methods?.includes('GET') ? [...methods, 'HEAD'] : methods;
}

/** Whether two conditions overlap without one being the narrower: a route that sets none yields to one that does. */
function meet(a: readonly string[] | undefined, b: readonly string[] | undefined): boolean {
  if (a === undefined || b === undefined) return a === b;
  return a.some((item) => b.includes(item));
}

function shareCaller(a: readonly string[], b: readonly string[]): boolean {
  const covered = (names: readonly string[], caller: string) => names.includes(caller) || (names.includes('*') && !isUnknownCaller(caller));
  return a.some((caller) => covered(b, caller)) || b.some((caller) => covered(a, caller));
}
