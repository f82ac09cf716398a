/** Checks the target of a request: a path and a query that nobody on the way can read in two ways. */

import { BrokerError } from '../errors.ts';
import { readHost } from './host.ts';

/** Visible ASCII (RFC 9112 §3.2) but "#" and "\", and before the query nothing that a dot segment could be made of. */
const PLAIN_TARGET = /^\/[!$&-\-/-:<->@-[\]-~]*(?:\?[!"$-[\]-~]*)?$/;

/** The same with those. */
const VISIBLE_TARGET = /^[!"$-[\]-~]+$/;

/**
 * "." and "..", plain or encoded, between plain or encoded slashes and backslashes (RFC 3986 §3.3); with a parameter after
 * ";" too, since Tomcat removes parameters before it resolves dot segments.
 */
const DOT_SEGMENT = /(?:\/|%2f|%5c)(?:\.|%2e){1,2}(?:\/|%2f|%5c|;|%3b|$)/i;

/** A target that is a whole URL, taken apart. */
export interface WholeTarget {
  /** Path and query. */
  readonly target: string;
  readonly authority: string;
  /** The authority without its port, lower-case. */
  readonly host: string;
}

/**
 * Throws REQUEST_INVALID unless the target means one thing only. A lone %2F or %5C is left alone. `undefined` for the usual form, a path
 * and a query; the parts of a whole URL, as a forward proxy is sent (RFC 9112 §3.2.2).
 */
export function checkTarget(target: string): WholeTarget | undefined {
  if (PLAIN_TARGET.test(target)) return undefined;
  if (!target.startsWith('/')) return checkWhole(target);
  checkPath(target);
  return undefined;
}

function checkWhole(url: string): WholeTarget {
  const [, authority, rest = ''] = /^https?:\/\/([^/?#\\]*)(.*)$/is.exec(url) ?? [];
  if (authority === undefined) throw invalid(formProblem(url));
  if (authority.includes('@')) throw invalid('the request target holds a user or password: send them in "Proxy-Authorization"');
  const host = readHost(authority);
  if (host === undefined)
    throw invalid('the host of the request target is malformed: write a name or an address, and a port where there is one');
  const target = rest.startsWith('/') ? rest : `/${rest}`;
  checkPath(target);
  return { target, authority, host };
}

function checkPath(target: string): void {
  if (target.includes('#')) throw invalid('the request target holds a fragment: remove "#" and what follows');
  if (target.includes('\\')) throw invalid('the request target holds a backslash: write it as %5C');
  if (!VISIBLE_TARGET.test(target)) throw invalid('the request target holds bytes that are not visible ASCII: percent-encode them');
  const queryAt = target.indexOf('?');
  if (DOT_SEGMENT.test(queryAt === -1 ? target : target.slice(0, queryAt))) {
    throw invalid('the request target holds a dot segment: write the path it stands for');
  }
}

function formProblem(target: string): string {
  if (target === '') return 'the request target is empty: begin it with "/"';
  if (target === '*') return 'the request target "*" is about no route: name a path';
  return 'the request target does not begin with "/": send the path and the query, or an http URL as to a forward proxy';
}

function invalid(message: string): BrokerError {
  return new BrokerError('REQUEST_INVALID', message, { stage: 'listener', close: true });
}
