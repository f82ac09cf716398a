/** Checks the target of a request: a path and a query that nobody on the way can read in two ways. */

import { BrokerError } from '../errors.ts';

/** Visible ASCII (RFC 9112 §3.2) but "#" and "\", and before the query nothing that a dot segment could be made of. */
const PLAIN_TARGET = /^\/[!$&-\-/-:<->@-[\]-~]*(?:\?[!"$-[\]-~]*)?$/;

/** The same with those. */
const VISIBLE_TARGET = /^[!"$-[\]-~]+$/;

/**
 * "." and "..", plain or encoded, between plain or encoded slashes and backslashes (RFC 3986 §3.3); with a parameter after
 * ";" too, since Tomcat removes parameters before it resolves dot segments.
 */
const DOT_SEGMENT = /(?:\/|%2f|%5c)(?:\.|%2e){1,2}(?:\/|%2f|%5c|;|%3b|$)/i;

/** Throws REQUEST_INVALID unless the target is in origin-form and means one thing only. A lone %2F or %5C is left alone. */
export function checkTarget(target: string): void {
  if (PLAIN_TARGET.test(target)) return;
  if (!target.startsWith('/')) throw invalid(formProblem(target));
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
  if (/^[a-z][a-z0-9+.-]*:\/\//i.test(target)) {
    return 'the request target is a whole URL, as for a forward proxy: send only the path and the query';
  }
  return 'the request target does not begin with "/": send only the path and the query';
}

function invalid(message: string): BrokerError {
  return new BrokerError('REQUEST_INVALID', message, { stage: 'listener', close: true });
}
