/** The JSON Schemas of the config and of the injector's: for editors, for the chart, and for wording what is missing. */

import * as z from 'zod';
import { childOf, isObject } from './path.ts';
import { injectorConfig } from './schema/injector.ts';
import { config } from './schema/root.ts';

export type JsonSchema = z.core.JSONSchema.BaseSchema;

/** Draft 7, of the config as written: what `token-broker schema` prints and `sidecar.schema.json` holds. */
export function configJsonSchema(): JsonSchema {
  const schema = z.toJSONSchema(config, { io: 'input', target: 'draft-7' });
  // The last two are read by VS Code, so that comments and trailing commas are not underlined.
  return { title: 'Configuration of Token Broker Sidecar', ...schema, allowComments: true, allowTrailingCommas: true };
}

/** The same of the injector's config. */
export function injectorJsonSchema(): JsonSchema {
  return z.toJSONSchema(injectorConfig, { io: 'input', target: 'draft-7' });
}

/** The part of the schema that speaks for a path; where there are alternatives, the one that the value there seems to want. */
export function schemaAt(root: JsonSchema, raw: unknown, path: readonly PropertyKey[]): JsonSchema {
  let schema = chosen(root, raw);
  let value = raw;
  for (const step of path) {
    value = childOf(value, step);
    schema = chosen(schemaBelow(schema, step), value);
  }
  return schema;
}

function schemaBelow(schema: JsonSchema, step: PropertyKey): JsonSchema {
  const { properties = {}, additionalProperties, items } = schema;
  const candidates = [Object.hasOwn(properties, step) ? properties[step as string] : undefined, additionalProperties, items];
  return (candidates.find((candidate) => typeof candidate === 'object' && !Array.isArray(candidate)) ?? {}) as JsonSchema;
}

function chosen(schema: JsonSchema, value: unknown): JsonSchema {
  const alternatives = schema.anyOf ?? schema.oneOf ?? [];
  const fitting = alternatives.find((alternative) => fits(alternative, value));
  return fitting === undefined ? schema : chosen(fitting, value);
}

function fits(schema: JsonSchema, value: unknown): boolean {
  const alternatives = schema.anyOf ?? schema.oneOf;
  if (alternatives !== undefined) return alternatives.some((alternative) => fits(alternative, value));
  if (schema.type === 'array') return Array.isArray(value);
  if (schema.type === 'null') return value === null;
  if (schema.type !== 'object') return typeof value === (schema.type === 'integer' ? 'number' : schema.type);
  if (!isObject(value)) return false;
  return Object.entries(schema.properties ?? {}).every(([key, property]) => {
    const given = childOf(value, key);
    return given === undefined || typeof property !== 'object' || property.const === undefined || property.const === given;
  });
}

const TYPE_WORDS: Readonly<Record<string, string>> = {
  string: 'a string',
  number: 'a number',
  integer: 'a whole number',
  boolean: 'true or false',
  array: 'a list',
  object: 'an object',
};

/** What may stand at a place, in words: `a string such as "30s"`. */
export function wanted(schema: JsonSchema): string {
  const { enum: values, examples, required } = schema;
  const alternatives = schema.anyOf ?? schema.oneOf ?? [];
  const telling = alternatives.find((alternative) => Array.isArray(alternative.examples)) ?? alternatives[0];
  if (telling !== undefined) return `${wanted(telling)}${alternatives.some(({ type }) => type === 'null') ? ', or null' : ''}`;
  if (schema.const !== undefined) return JSON.stringify(schema.const);
  if (values !== undefined) return `one of ${values.map((value) => JSON.stringify(value)).join(', ')}`;
  const type = TYPE_WORDS[String(schema.type)] ?? 'a value';
  if (Array.isArray(examples)) return `${type} such as ${spaced(examples[0])}`;
  if (required !== undefined) return `${type} with ${required.map((key) => `"${key}"`).join(', ')}`;
  if (typeof schema.additionalProperties === 'object') return `${type} with an entry for each, by its name`;
  const [first] = Object.keys(schema.properties ?? {});
  return first === undefined ? type : `${type} with keys such as "${first}"`;
}

/** JSON on one line, as people write it. */
function spaced(value: unknown): string {
  return JSON.stringify(value, null, 1).replace(/\s*\n\s*/g, ' ');
}
