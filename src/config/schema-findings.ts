/** zod's issues in our words: what is wrong, the way out, never the value. */

import type * as z from 'zod';
import { type JsonSchema, schemaAt, wanted } from './json-schema.ts';
import { type ConfigPath, formatPath, valueAt } from './path.ts';
import { type Finding, problem } from './problem.ts';
import { nearestOf } from './schema/values.ts';

type Issue = z.core.$ZodIssue;

/** Marks an issue whose message the schema does not give itself: the library's own words are not for people. */
const UNWORDED = 'unworded';

/** How a config is parsed. It is read once: parsers that zod compiles for it would cost more than they save. */
export const QUIET = { error: () => UNWORDED, jitless: true };

/** What the schema says against the raw config. The config must have been parsed with `QUIET`. */
export function schemaFindings(issues: readonly Issue[], raw: unknown, schema: JsonSchema): Finding[] {
  return withoutEchoes(issues.flatMap(simple), schema, raw).flatMap((issue) => findingsOf(issue, schema, raw));
}

/** One misspelt key is one mistake: that what it was meant to be is missing, or that a rule about the whole object fails, goes unsaid. */
function withoutEchoes(issues: readonly Issue[], schema: JsonSchema, raw: unknown): Issue[] {
  const misspelt = new Set<string>();
  for (const issue of issues) {
    if (issue.code !== 'unrecognized_keys') continue;
    const known = knownKeys(schema, raw, issue.path);
    misspelt.add(formatPath(issue.path as ConfigPath));
    for (const key of issue.keys) misspelt.add(formatPath([...(issue.path as ConfigPath), meantBy(key, known) ?? '']));
  }
  const canEcho = ({ code, path }: Issue) => code === 'custom' || valueAt(raw, path) === undefined;
  return issues.filter((issue) => !canEcho(issue) || !misspelt.has(formatPath(issue.path as ConfigPath)));
}

function knownKeys(schema: JsonSchema, raw: unknown, path: readonly PropertyKey[]): string[] {
  return Object.keys(schemaAt(schema, raw, path).properties ?? {});
}

/** Replaces a failed union by what the one fitting alternative says, if there is one. */
function simple(issue: Issue): Issue[] {
  if (issue.code !== 'invalid_union') return [issue];
  const fitting = issue.errors.filter((issues) => !issues.some(isOtherKind));
  if (fitting.length === 1) return below(issue.path, fitting[0] as Issue[]);
  const [first] = issue.errors;
  return issue.message === UNWORDED && first !== undefined ? below(issue.path, first) : [issue];
}

function below(path: PropertyKey[], issues: readonly Issue[]): Issue[] {
  return issues.flatMap(simple).map((issue) => ({ ...issue, path: [...path, ...issue.path] }));
}

/** Whether an alternative of a union was meant for another kind of value altogether. */
function isOtherKind(issue: Issue): boolean {
  if (issue.path.length > 0) return false;
  if (issue.code === 'invalid_union') return issue.errors.every((issues) => issues.some(isOtherKind));
  return issue.code === 'invalid_type' || issue.code === 'invalid_value';
}

function findingsOf(issue: Issue, schema: JsonSchema, raw: unknown): Finding[] {
  const path = issue.path as ConfigPath;
  if (issue.code === 'unrecognized_keys') {
    const known = knownKeys(schema, raw, path);
    return issue.keys.map((key) => problem([...path, key], unknownKey(key, known), 'key'));
  }
  if (issue.code === 'invalid_key') return [problem(path, issue.issues[0]?.message ?? 'is not a usable name', 'key')];
  return [problem(path, wordsOf(issue, schema, raw))];
}

/** What others call it. */
const ELSEWHERE: Readonly<Record<string, string>> = {
  clientSecret: 'clientAuthentication',
  client_secret: 'clientAuthentication',
  username: 'resourceOwner',
  target: 'upstream',
  backend: 'upstream',
  url: 'upstream',
  port: 'address',
  password: 'passwordHash',
  env: 'fromEnv',
  file: 'fromFile',
  value: 'unsafeInline',
};

function meantBy(key: string, known: readonly string[]): string | undefined {
  const other = Object.hasOwn(ELSEWHERE, key) ? ELSEWHERE[key] : undefined;
  return nearestOf(key, known) ?? (other !== undefined && known.includes(other) ? other : undefined);
}

function unknownKey(key: string, known: readonly string[]): string {
  const nearest = meantBy(key, known);
  return nearest === undefined
    ? `is not a known key; remove it, or use one of: ${known.join(', ')}`
    : `is not a known key; did you mean "${nearest}"?`;
}

function wordsOf(issue: Issue, schema: JsonSchema, raw: unknown): string {
  const value = valueAt(raw, issue.path);
  const options = issue.code === 'invalid_union' && 'options' in issue ? issue.options : undefined;
  const here = options === undefined ? schemaAt(schema, raw, issue.path) : ({ enum: options } as JsonSchema);
  if (value === undefined) return `is missing; give ${wanted(here)}`;
  if (issue.message !== UNWORDED) return issue.message;
  if (issue.code === 'too_small') {
    return typeof value === 'number' ? `is too small; the least is ${issue.minimum}` : 'is empty; give at least one';
  }
  if (issue.code === 'too_big') return `is too ${typeof value === 'number' ? 'large' : 'long'}; the most is ${issue.maximum}`;
  if (issue.code === 'invalid_value' && issue.values[0] === true) return 'can only be true; remove it where it is not meant';
  return `must be ${wanted(here)}`;
}
