/** The route stage: where this caller may go with this request, and the upstream's target for it. */

import type { RouteConfig } from '../config/schema/routes.ts';
import { derive } from '../derive.ts';
import { BrokerError } from '../errors.ts';
import type { CallerRequest } from '../message.ts';
import { methodOverrides } from './method-overrides.ts';
import { createRoute, type Route, restWithin } from './route.ts';

export interface RouteMatch {
  readonly route: Route;
  /** Path and query for the upstream; all but the replaced prefix is byte for byte what the caller sent. */
  readonly target: string;
}

/** What the stage must know of a caller. */
interface RoutedCaller {
  readonly name: string;
  readonly method: string;
}

/** Without `fields` where only a method and an address are known of it. */
type RoutedRequest = Pick<CallerRequest, 'listener' | 'host' | 'authority' | 'method' | 'target'> & Partial<Pick<CallerRequest, 'fields'>>;

export interface Router {
  /**
   * The route with the longest prefix among those that fit the request and are open to the caller. Throws ROUTE_NOT_FOUND,
   * CALLER_FORBIDDEN or ROUTE_METHOD_NOT_ALLOWED.
   */
  readonly match: (request: RoutedRequest, caller: RoutedCaller) => RouteMatch;
}

interface Candidate {
  readonly route: Route;
  readonly host: string | undefined;
  readonly listeners: ReadonlySet<string> | undefined;
  /** With HEAD where there is GET. */
  readonly methods: ReadonlySet<string> | undefined;
  readonly callers: ReadonlySet<string>;
}

export function createRouter(routes: Readonly<Record<string, RouteConfig>>): Router {
  const candidatesFor = indexByFirstSegment(Object.entries(routes).map(readCandidate).sort(moreSpecificFirst));
  return {
    match(request, caller) {
      const candidates = candidatesFor(request.target);
      for (const candidate of candidates) {
        const rest = restFor(candidate, request);
        if (rest !== undefined && isOpenTo(candidate.callers, caller) && allowsMethods(candidate, request)) {
          return { route: candidate.route, target: targetOf(candidate.route, rest) };
        }
      }
      throw whyNot(candidates, request, caller);
    },
  };
}

/** Spares a broker with hundreds of routes from looking at each of them (17 ns apiece). */
function indexByFirstSegment(candidates: readonly Candidate[]): (target: string) => readonly Candidate[] {
  const bySegment = Map.groupBy(candidates, ({ route }) => firstSegment(route.prefix));
  const forEveryPath = bySegment.get('') ?? [];
  for (const [segment, group] of bySegment) if (segment !== '') bySegment.set(segment, [...group, ...forEveryPath]);
  return (target) => bySegment.get(firstSegment(target)) ?? forEveryPath;
}

function firstSegment(target: string): string {
  const slashAt = target.indexOf('/', 1);
  const segment = slashAt === -1 ? target : target.slice(0, slashAt);
  const queryAt = segment.indexOf('?');
  return queryAt === -1 ? segment : segment.slice(0, queryAt);
}

function readCandidate([name, config]: [string, RouteConfig]): Candidate {
  const { host, listeners, methods, callers } = config;
  return {
    route: createRoute(name, config),
    host,
    listeners: listeners && new Set(listeners),
    methods: methods && new Set(methods.flatMap((method) => (method === 'GET' ? ['GET', 'HEAD'] : [method]))),
    callers: new Set(callers),
  };
}

/** Longest prefix, then the narrower one; what is left keeps the order of the config. */
function moreSpecificFirst(a: Candidate, b: Candidate): number {
  return (
    b.route.prefix.length - a.route.prefix.length ||
    Number(b.host !== undefined) - Number(a.host !== undefined) ||
    Number(b.methods !== undefined) - Number(a.methods !== undefined) ||
    Number(b.listeners !== undefined) - Number(a.listeners !== undefined)
  );
}

/** What follows the prefix where path, host and listener fit; the caller and the method are not looked at. */
function restFor({ route, host, listeners }: Candidate, request: RoutedRequest): string | undefined {
  // Whose URLs pass through a forward proxy is said by name, not by what is left over.
  if (host === undefined ? request.authority !== undefined : host !== request.host) return undefined;
  if (listeners !== undefined && !listeners.has(request.listener)) return undefined;
  return restWithin(route.prefix, request.target);
}

/** Whom nobody has authenticated. */
const UNKNOWN = new Set(['anonymous', 'basic-passthrough']);

/** Whether a list of callers names this one: `"*"` does not mean those whom nobody has authenticated. */
export function isOpenTo(callers: ReadonlySet<string>, { name, method }: RoutedCaller): boolean {
  return callers.has(name) || (callers.has('*') && !UNKNOWN.has(method));
}

/** The request's own, and those that the upstream might take for it. */
function allowsMethods({ methods }: Candidate, { method, fields = [] }: RoutedRequest): boolean {
  return methods === undefined || (methods.has(method) && derive(fields, methodOverrides).every((each) => methods.has(each)));
}

function targetOf({ upstreamPath, upstreamRoot }: Route, rest: string): string {
  return rest.startsWith('/') ? upstreamPath + rest : upstreamRoot + rest;
}

function whyNot(candidates: readonly Candidate[], request: RoutedRequest, caller: RoutedCaller): BrokerError {
  const fitting = candidates.filter((candidate) => restFor(candidate, request) !== undefined);
  if (fitting.length === 0) {
    return new BrokerError('ROUTE_NOT_FOUND', 'no route fits the path and host of the request: correct the URL, or add a route', {
      stage: 'route',
    });
  }
  const open = fitting.filter((candidate) => isOpenTo(candidate.callers, caller));
  if (open.length === 0) {
    return new BrokerError('CALLER_FORBIDDEN', `caller "${caller.name}" is not listed in "callers" of a route that fits: add it there`, {
      stage: 'route',
    });
  }
  const allowed = new Set(open.flatMap(({ methods }) => [...(methods ?? [])]));
  return methodNotAllowed('the method, or one that a field puts in its place, is not among "methods" of a route that fits', [...allowed]);
}

/** @param words what is wrong; those that are allowed are in `Allow` (RFC 9110 §15.5.6) */
export function methodNotAllowed(words: string, allowed: readonly string[]): BrokerError {
  return new BrokerError('ROUTE_METHOD_NOT_ALLOWED', `${words}: use one of those in "Allow"`, {
    stage: 'route',
    fields: ['Allow', allowed.join(', ')],
  });
}
