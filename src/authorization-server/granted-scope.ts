/** The scope of a token answer (RFC 6749 §3.3 and §5.1) beside the one that was asked for. */

import { masked } from './said.ts';

export interface GrantedScope {
  /** Names separated by spaces; `undefined` when the server says none and none was asked for. */
  readonly scope: string | undefined;
  /** What was asked for and not granted. */
  readonly missingScope: readonly string[];
}

/**
 * A server that says nothing has granted what was asked for (§5.1); more than that is no fault. Names are unordered.
 *
 * @param secrets what the server was sent or gave in confidence: a name that holds one of them, and was not asked for, is masked
 */
export function readGrantedScope(value: unknown, asked: string | undefined, secrets: readonly string[]): GrantedScope {
  if (value === undefined || value === null) return { scope: asked, missingScope: [] };
  const wanted = new Set(asked?.split(' '));
  const granted = typeof value === 'string' ? value.split(' ').filter((name) => SCOPE_NAME.test(name)) : [];
  // All at once: there may be thousands of them, and as many secrets.
  const unasked = masked(granted.filter((name) => !wanted.has(name)).join('\n'), secrets)
    .split('\n')
    .values();
  const shown = granted.map((name) => (wanted.has(name) ? name : unasked.next().value));
  const all = new Set(granted);
  return {
    scope: shown.filter((name) => name !== undefined).join(' '),
    missingScope: [...wanted].filter((name) => !all.has(name)),
  };
}

const SCOPE_NAME = /^[\x21\x23-\x5b\x5d-\x7e]+$/;
