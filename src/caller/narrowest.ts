/** Which caller is meant where a proof fits several: the narrowest, whatever their order in the config, which a map need not keep (Helm sorts it). */

/** What a caller asks of a proof. */
export interface Demand {
  readonly name: string;
  /** No other proof can fit. */
  readonly isUnique?: boolean;
  readonly conditions: readonly Condition[];
}

/** One thing that is looked at, and what it may be. */
interface Condition {
  readonly values: number;
  /** Those of the values in which "*" stands for something. */
  readonly patterns: readonly string[];
}

/** Sorts the narrower before the wider. Of two that are alike the name decides, so that it is always the same one. */
export function narrowerFirst(a: Demand, b: Demand): number {
  const [ofA, ofB] = [narrowness(a), narrowness(b)];
  const differing = ofA.findIndex((number, index) => number !== ofB[index]);
  if (differing === -1) return a.name < b.name ? -1 : 1;
  return (ofB[differing] as number) - (ofA[differing] as number);
}

/** The first number that differs counts: more is narrower. */
function narrowness({ isUnique = false, conditions }: Demand): number[] {
  const open = conditions.filter(({ patterns }) => patterns.length > 0);
  const letters = sum(open.map(({ patterns }) => Math.min(...patterns.map(lettersOf))));
  return [Number(isUnique), conditions.length, -open.length, letters, -sum(conditions.map(({ values }) => values))];
}

function lettersOf(pattern: string): number {
  return pattern.replaceAll('*', '').length;
}

function sum(numbers: readonly number[]): number {
  return numbers.reduce((total, number) => total + number, 0);
}
