/** The references in docs/configuration.md and docs/kubernetes.md: one heading for each key, made from the JSON Schema. */

import type { JsonSchema } from '../src/config/json-schema.ts';

/** One key: where it is, and what may stand there. */
interface Key {
  /** As in `routes.NAME.timeouts.connect`. */
  readonly path: string;
  readonly schema: JsonSchema;
  readonly required: boolean;
  /** More sentences, before the schema's own. */
  readonly notes: readonly string[];
}

/**
 * Markdown, one `##` for each section of the config and one `###` for each key below it.
 *
 * @param config the schema of the broker's config, by which kinds of values are known
 */
export function configReference(root: JsonSchema, config = root): string {
  const words = typeWords(config);
  const keys = keysBelow(root, '').filter(({ path }) => path !== '$schema');
  return keys.map((key) => rendered(key, words)).join('\n');
}

function rendered({ path, schema, required, notes }: Key, words: Words): string {
  const facts = [words(schema), ...bounds(schema), ...(required ? ['required'] : []), ...defaultOf(schema)];
  const sentences = [...notes, ...(schema.description === undefined ? [] : [schema.description])];
  const heading = path.includes('.') ? '###' : '##';
  return `${heading} ${path}\n\n*${facts.join('; ')}*\n\n${sentences.join(' ').replace(/`[^`]*`|\*/g, (found) => (found === '*' ? '\\*' : found))}\n`;
}

function keysBelow(schema: JsonSchema, path: string): Key[] {
  const { additionalProperties: entry, items, oneOf, anyOf } = schema;
  if (oneOf !== undefined) return mergedKeys(oneOf, path);
  // An object or a word that stands for one: the keys are those of the object.
  if (anyOf !== undefined) return anyOf.filter(({ type }) => type === 'object').flatMap((alternative) => keysBelow(alternative, path));
  const own = Object.entries(schema.properties ?? {}).filter(([name]) => !isReference(schema) || !WAYS.has(name));
  const properties = own.flatMap(([name, property]) => keyAndBelow(name, property as JsonSchema, schema, path));
  const entries = typeof entry === 'object' ? keysBelow(entry, `${path}.${isNamed(schema) ? 'NAME' : 'FIELD'}`) : [];
  const listed = typeof items === 'object' && !Array.isArray(items) ? keysBelow(items, `${path}[]`) : [];
  return [...properties, ...entries, ...listed];
}

function keyAndBelow(name: string, schema: JsonSchema, parent: JsonSchema, parentPath: string): Key[] {
  const path = parentPath === '' ? name : `${parentPath}.${name}`;
  return [{ path, schema, required: parent.required?.includes(name) ?? false, notes: [] }, ...keysBelow(schema, path)];
}

/** A key as one of several alternatives has it. */
interface Variant {
  readonly key: Key;
  /** What tells the alternative, as it is written. */
  readonly constant: string;
}

/** The keys of alternatives told apart by one constant: what they share once, with the constants as one list of values. */
function mergedKeys(alternatives: readonly JsonSchema[], path: string): Key[] {
  const tag = Object.entries(alternatives[0]?.properties ?? {}).find(([, property]) => (property as JsonSchema).const !== undefined)?.[0];
  const variants = alternatives.flatMap((alternative) => {
    const constant = JSON.stringify((alternative.properties?.[tag ?? ''] as JsonSchema | undefined)?.const);
    return keysBelow(alternative, path).map((key): Variant => ({ key, constant }));
  });
  return [...Map.groupBy(variants, ({ key }) => key.path)].map(([keyPath, found]) =>
    keyPath === `${path}.${tag}` ? tagKey(found) : sharedKey(found, `${tag}`, alternatives.length),
  );
}

function tagKey(variants: readonly Variant[]): Key {
  const [first] = variants.map(({ key }) => key) as [Key];
  const values = variants.map(({ key }) => key.schema.const) as string[];
  const preset = variants.map(({ key }) => key.schema.default).find((value) => value !== undefined);
  return {
    path: first.path,
    schema: { type: 'string', enum: values, ...(preset === undefined ? {} : { default: preset }) },
    required: variants.every(({ key }) => key.required),
    notes: variants.map(({ key, constant }) => `\`${constant}\`: ${key.schema.description}`),
  };
}

/** A key that some alternatives have, perhaps each in its own way. */
function sharedKey(variants: readonly Variant[], tag: string, alternatives: number): Key {
  const kinds = [...Map.groupBy(variants, ({ key }) => JSON.stringify([key.schema, key.required, key.notes])).values()];
  const [{ key }] = variants as [Variant];
  const where = (of: readonly Variant[]) => `with \`${tag}\` ${of.map(({ constant }) => `\`${constant}\``).join(', ')}`;
  if (kinds.length === 1) return variants.length === alternatives ? key : { ...key, notes: [`Only ${where(variants)}.`, ...key.notes] };
  const { description: _description, default: _default, ...schema } = key.schema;
  const values = [...new Set(variants.flatMap((variant) => variant.key.schema.enum ?? []))];
  const notes = kinds.map((of) => {
    const [one] = of as [Variant];
    const facts = [...(one.key.required ? ['required'] : []), ...defaultOf(one.key.schema)];
    const sentences = [...one.key.notes, one.key.schema.description].join(' ');
    return `${where(of).replace('w', 'W')}${facts.length === 0 ? '' : ` (${facts.join('; ')})`}: ${sentences}`;
  });
  return { ...key, schema: values.length === 0 ? schema : { ...schema, enum: values }, required: false, notes };
}

type Words = (schema: JsonSchema) => string;

/** What a value is called. The patterns of durations, sizes and names are known by places where they stand for certain. */
function typeWords(root: JsonSchema): Words {
  const patternAt = (...path: string[]) =>
    path.reduce((schema, key) => (schema as Record<string, unknown>)[key], root as unknown) as string;
  const listener = ['properties', 'listeners', 'additionalProperties', 'properties'];
  const byPattern = new Map([
    [patternAt('properties', 'shutdown', 'properties', 'grace', 'pattern'), 'duration'],
    [patternAt(...listener, 'limits', 'properties', 'maxHeader', 'pattern'), 'size'],
    [patternAt(...listener, 'hosts', 'items', 'pattern'), 'host name'],
    [patternAt('properties', 'listeners', 'propertyNames', 'pattern'), 'name'],
  ]);
  return function words(schema: JsonSchema): string {
    const { type, pattern, examples } = schema;
    const alternatives = schema.anyOf;
    if (isReference(schema)) return 'reference';
    if (alternatives !== undefined) return alternativeWords(alternatives, words);
    if (schema.oneOf !== undefined) return 'object';
    if (schema.const !== undefined) return `\`${JSON.stringify(schema.const)}\``;
    if (schema.enum !== undefined) return `one of ${schema.enum.map((value) => `\`${JSON.stringify(value)}\``).join(', ')}`;
    if (type === 'array') return `list: ${words(schema.items as JsonSchema)}`;
    if (type === 'object') return objectWords(schema, words);
    if (type === 'boolean') return '`true` or `false`';
    if (type === 'integer') return 'whole number';
    if (type === 'number') return 'number';
    if (type === 'null') return '`null`';
    if (type === undefined) return 'any JSON';
    if (pattern !== undefined) return byPattern.get(pattern) ?? 'text';
    const [example] = Array.isArray(examples) ? examples : [];
    if (String(example).startsWith('https://')) return 'URL';
    return /:\d+$/.test(String(example)) && !String(example).includes('//') ? 'address' : 'text';
  };
}

function alternativeWords(alternatives: readonly JsonSchema[], words: Words): string {
  const [one, several] = alternatives;
  const isOneOrMore =
    alternatives.length === 2 && several?.type === 'array' && words(several.items as JsonSchema) === words(one as JsonSchema);
  return isOneOrMore ? `${words(one as JsonSchema)}; or a list of them` : alternatives.map(words).join(', or ');
}

function objectWords(schema: JsonSchema, words: Words): string {
  const { additionalProperties: entry } = schema;
  if (typeof entry !== 'object') return 'object';
  const value = entry.type === 'object' || entry.oneOf !== undefined ? 'object' : words(entry);
  return `map: ${isNamed(schema) ? 'name' : 'field'} → ${value}`;
}

/** Whether the keys of a map are names of ours: they may not hold what field names may. */
function isNamed({ propertyNames }: JsonSchema): boolean {
  return typeof propertyNames === 'object' && Array.isArray(propertyNames.examples);
}

/** The keys of a reference are explained once, before the list of keys. */
const WAYS = new Set(['fromEnv', 'fromFile', 'unsafeInline']);

function isReference({ properties }: JsonSchema): boolean {
  return properties !== undefined && 'fromFile' in properties;
}

function bounds(schema: JsonSchema): string[] {
  const { minimum, maximum } = schema;
  const { 'x-least': least = minimum, 'x-most': most = maximum } = schema as { 'x-least'?: string; 'x-most'?: string };
  const parts: string[] = [];
  if (least !== undefined && Number.parseInt(String(least), 10) > 0) parts.push(`from \`${readable(least)}\``);
  if (most !== undefined) parts.push(`to \`${readable(most)}\``);
  return parts.length === 0 ? [] : [parts.join(' ')];
}

const LARGER_UNITS = [
  { unit: 'ms', by: 1000, next: 's' },
  { unit: 's', by: 60, next: 'm' },
  { unit: 'm', by: 60, next: 'h' },
  { unit: 'B', by: 1024, next: 'KiB' },
  { unit: 'KiB', by: 1024, next: 'MiB' },
] as const;

/** `300000ms` as `5m`. */
function readable(amount: string | number): string {
  const [, number = '', unit = ''] = /^(\d+)(\D*)$/.exec(String(amount)) ?? [];
  const larger = LARGER_UNITS.find((candidate) => candidate.unit === unit && Number(number) > 0 && Number(number) % candidate.by === 0);
  return larger === undefined ? String(amount) : readable(`${Number(number) / larger.by}${larger.next}`);
}

function defaultOf(schema: JsonSchema): string[] {
  const value: unknown = schema.default;
  const isEmpty = typeof value === 'object' && value !== null && !Array.isArray(value);
  return value === undefined || isEmpty ? [] : [`default \`${JSON.stringify(value)}\``];
}
