/** Raw JSON → `Config`, or every problem with it and as much of it as is sound. */

import * as z from 'zod';
import { configJsonSchema } from './json-schema.ts';
import { childOf, isObject, valueAt } from './path.ts';
import type { Finding } from './problem.ts';
import { listener } from './schema/listeners.ts';
import { type Config, config } from './schema/root.ts';
import { name, nearestOf } from './schema/values.ts';
import { QUIET, schemaFindings } from './schema-findings.ts';

/** Sections that hold named entries, which can be judged one by one. */
const SECTIONS = ['listeners', 'callers', 'authorizationServers', 'tokens', 'routes'] as const;

/** Every name a section has in the file, sound or not; `undefined` where it is unknown what the section was to hold. */
export type Names = Readonly<Record<(typeof SECTIONS)[number], readonly string[] | undefined>>;

export interface Parsed {
  /** Without the entries that have problems; `undefined` when nothing can be said about the rest. */
  readonly config: Config | undefined;
  /** Whether nothing was left out. */
  readonly complete: boolean;
  readonly names: Names;
  readonly findings: readonly Finding[];
}

/** What may be left of a config whose only listener has a problem. */
const soundPart = config.extend({ listeners: z.record(name, listener).default({}) });

/** Judges what was read. An entry with a problem is left out, so that the rest can be judged and it is not blamed twice. */
export function parseConfig(raw: unknown): Parsed {
  const { data, error } = config.safeParse(raw, QUIET);
  const names = namesIn(raw, error?.issues ?? []);
  if (data !== undefined) return { config: data, complete: true, names, findings: [] };
  const rest = soundPart.safeParse(withoutBroken(raw, error.issues), QUIET).data;
  return { config: rest, complete: false, names, findings: schemaFindings(error.issues, raw, configJsonSchema()) };
}

/** The section `admin` alone. */
export function parseAdmin(raw: unknown): { readonly admin: Config['admin'] | undefined; readonly findings: readonly Finding[] } {
  const { data: admin, error } = config.shape.admin.safeParse(childOf(raw, 'admin'), QUIET);
  const issues = (error?.issues ?? []).map((issue) => ({ ...issue, path: ['admin', ...issue.path] }));
  return { admin, findings: schemaFindings(issues, raw, configJsonSchema()) };
}

function withoutBroken(raw: unknown, issues: readonly z.core.$ZodIssue[]): unknown {
  if (!isObject(raw)) return raw;
  const rest = { ...raw };
  for (const section of SECTIONS) {
    const entries = rest[section];
    if (isObject(entries)) rest[section] = { ...entries };
  }
  for (const issue of issues) {
    const [section, entry] = issue.path as string[];
    if (section === undefined) for (const key of issue.code === 'unrecognized_keys' ? issue.keys : []) delete rest[key];
    else if (entry !== undefined && isSection(section) && isObject(rest[section])) delete rest[section][entry];
    else delete rest[section];
  }
  return rest;
}

function namesIn(raw: unknown, issues: readonly z.core.$ZodIssue[]): Names {
  const unknownKeys = issues.flatMap((issue) => (issue.code === 'unrecognized_keys' && issue.path.length === 0 ? issue.keys : []));
  const misspelt = new Set(unknownKeys.map((key) => nearestOf(key, SECTIONS)));
  const namesOf = (section: string) => {
    const entries = valueAt(raw, [section]);
    if (entries === undefined) return misspelt.has(section) ? undefined : [];
    return isObject(entries) ? Object.keys(entries) : undefined;
  };
  return Object.fromEntries(SECTIONS.map((section) => [section, namesOf(section)])) as Names;
}

function isSection(key: string): boolean {
  return (SECTIONS as readonly string[]).includes(key);
}
