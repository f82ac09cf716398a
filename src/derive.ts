/** What is worked out of a field section, once for all the times that the same section comes again on a kept-alive connection. */

import type { Fields } from './message.ts';

/** Must be a pure function of the fields; by its identity what it gave is found again, so it is made once, not for each request. */
export type Derivation<Derived> = (fields: Fields) => Derived;

const DERIVED = Symbol('derived');

/** Weak: a section may live for days, and what nobody can ask for any more goes with its derivation. */
type Repeated = Fields & { [DERIVED]?: WeakMap<Derivation<unknown>, unknown> };

/** The section has come again: from now on what is derived of it is kept with it. */
export function markRepeated(fields: Fields): void {
  (fields as Repeated)[DERIVED] ??= new WeakMap();
}

/** What `derivation` gives for the fields; of a section that repeats, it is asked once. */
export function derive<Derived>(fields: Fields, derivation: Derivation<Derived>): Derived {
  const known = (fields as Repeated)[DERIVED];
  if (known === undefined) return derivation(fields);
  const found = known.get(derivation) as Derived | undefined;
  if (found !== undefined) return found;
  const derived = derivation(fields);
  known.set(derivation, derived);
  return derived;
}

/** The same where other fields are made of them: they repeat as long as those do. */
export function deriveFields(fields: Fields, derivation: Derivation<Fields>): Fields {
  const derived = derive(fields, derivation);
  if ((fields as Repeated)[DERIVED] !== undefined) markRepeated(derived);
  return derived;
}
