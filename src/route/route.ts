/** A route as the request's way sees it: its config, and what can be computed from it once. */

import type { RouteConfig } from '../config/schema/routes.ts';

export interface Route {
  readonly name: string;
  readonly config: RouteConfig;
  /** The path that requests must begin with, by whole segments; `""` for every path. */
  readonly prefix: string;
  /** Scheme, host and port, in the one spelling of the URL standard: `https://api.example.com`. */
  readonly upstreamOrigin: string;
  /** What replaces the prefix: the path of the upstream without a slash at its end. */
  readonly upstreamPath: string;
  /** What a request for exactly the prefix becomes: the path of the upstream as written, at least `/`. */
  readonly upstreamRoot: string;
}

export function createRoute(name: string, config: RouteConfig): Route {
  const { origin, pathname } = new URL(config.upstream);
  return {
    name,
    config,
    prefix: config.path === '/' ? '' : config.path,
    upstreamOrigin: origin,
    upstreamPath: pathname.endsWith('/') ? pathname.slice(0, -1) : pathname,
    upstreamRoot: pathname,
  };
}

/** What follows `base` in `path` when `path` lies within it by whole segments: empty, or begins with `/` or `?`. */
export function restWithin(base: string, path: string): string | undefined {
  if (!path.startsWith(base)) return undefined;
  const next = path.charCodeAt(base.length);
  return next === SLASH || next === QUESTION_MARK || path.length === base.length ? path.slice(base.length) : undefined;
}

const SLASH = 0x2f;
const QUESTION_MARK = 0x3f;
