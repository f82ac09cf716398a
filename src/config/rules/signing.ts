/** Rules about keys that we sign with. */

import type { ConfigPath } from '../path.ts';
import { type Finding, problem } from '../problem.ts';
import type { Secret } from '../secret.ts';
import { type SigningAlgorithm, signingAlgorithmsOf } from '../signing-key.ts';

interface Signing {
  readonly key?: Secret | undefined;
  readonly alg?: SigningAlgorithm | undefined;
}

/** An algorithm fits its key. @param wayOut what to do, given the names of those that fit */
export function algorithmFindings({ key, alg }: Signing, path: ConfigPath, wayOut: (fitting: string) => string): Finding[] {
  // A key that cannot be read is a finding of its own.
  if (alg === undefined || !key?.filled || key.kind.check?.(key.reveal()) !== undefined) return [];
  const fitting = signingAlgorithmsOf(key.reveal());
  if (fitting.includes(alg)) return [];
  return [problem(path, `does not fit the key; ${wayOut(fitting.map((name) => `"${name}"`).join(' or '))}`)];
}
