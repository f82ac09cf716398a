/** Rules about listeners that give tokens to a proxy which asks: it is known, and it can send what it is given. */

import { type Finding, problem } from '../problem.ts';
import type { ListenerConfig } from '../schema/listeners.ts';
import type { Config } from '../schema/root.ts';
import type { RouteConfig } from '../schema/routes.ts';
import type { TokenConfig } from '../schema/tokens.ts';
import type { Rule } from './rule.ts';

export const extAuthzRules: Rule = ({ config }) => [
  ...Object.entries(config.listeners).flatMap(([name, listener]) => listenerFindings(name, listener)),
  ...Object.entries(config.routes).flatMap(([name, route]) => routeFindings(name, route, config)),
];

function listenerFindings(name: string, listener: ListenerConfig): Finding[] {
  const path = ['listeners', name];
  if (listener.serve === 'ext-authz') {
    if (listener.dialect !== undefined) return [];
    return [problem(path, 'needs "dialect": name the proxy that asks, so that its request is read where only the proxy can write', 'key')];
  }
  return (['dialect', 'maxReuse'] as const)
    .filter((key) => listener[key] !== undefined)
    .map((key) => problem([...path, key], 'is for "serve": "ext-authz" alone; remove it, or say that', 'key'));
}

/** Fields of our answer that say how long it may be kept, or that the proxy would take for orders of its own. */
const ANSWER_FIELDS = /^(?:cache-control|expires|vary|x-accel-.*|x-envoy-.*)$/i;

function routeFindings(name: string, route: RouteConfig, { listeners, tokens }: Config): Finding[] {
  const asking = (route.listeners ?? Object.keys(listeners)).find((listener) => listeners[listener]?.serve === 'ext-authz');
  if (asking === undefined) return [];
  const path = ['routes', name];
  const wayOut = `name the others in "listeners" of the route, without "${asking}"`;
  const token = route.token === null ? undefined : tokens[route.token];
  const why = token && whyNotGiven(token);
  const taken = Object.keys(route.headers).filter((header) => ANSWER_FIELDS.test(header));
  return [
    ...(why === undefined ? [] : [problem([...path, 'token'], `${why}, and listener "${asking}" gives it to a proxy; ${wayOut}`)]),
    ...(ANSWER_FIELDS.test(route.inject.header)
      ? [problem([...path, 'inject', 'header'], `has a meaning of its own in an answer of listener "${asking}"; ${wayOut}`)]
      : []),
    ...taken.map((header) =>
      problem([...path, 'headers', header], `has a meaning of its own in an answer of listener "${asking}"; ${wayOut}`, 'key'),
    ),
  ];
}

/** What only the broker could do when it sends such a token. */
function whyNotGiven({ dpop, certificateBound, upstreamFrom }: TokenConfig): string | undefined {
  if (dpop !== undefined) return 'is bound to a key that never leaves the broker ("dpop")';
  if (certificateBound) return 'is bound to a certificate of the broker ("certificateBound")';
  return upstreamFrom === undefined ? undefined : 'says itself where it may be sent ("upstreamFrom")';
}
