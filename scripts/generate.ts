/** Writes what is generated and committed, or with `--check` fails where it is out of date: `npm run docs:write`, `npm run docs:check`. */

import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { parse } from 'yaml';
import { configJsonSchema, injectorJsonSchema } from '../src/config/json-schema.ts';
import { chartValuesSchema } from './chart-values-schema.ts';
import type { Schema } from './config-in-chart.ts';
import { configReference } from './config-reference.ts';
import { projectRoot } from './find-tool.mjs';

const CHART = 'charts/token-broker';

const checkOnly = process.argv.includes('--check');
const stale: string[] = [];
const valuesSchema = chartValuesSchema(configJsonSchema() as Schema);

await put('sidecar.schema.json', json(configJsonSchema()));
await put(`${CHART}/values.schema.json`, json(valuesSchema));
await putBetween(`${CHART}/README.md`, 'values', await valuesTable());
await putBetween('docs/configuration.md', 'keys', `\n${configReference(configJsonSchema())}\n`);
await putBetween('docs/kubernetes.md', 'keys', `\n${configReference(injectorJsonSchema(), configJsonSchema())}\n`);

if (checkOnly && stale.length > 0) {
  process.stderr.write(`out of date: ${stale.join(', ')}; run "npm run docs:write" and commit what it changes\n`);
  process.exitCode = 1;
}

async function put(file: string, content: string): Promise<void> {
  if (content === (await read(file))) return;
  stale.push(file);
  if (!checkOnly) await writeFile(join(projectRoot, file), content);
}

/** Replaces what stands between `<!-- NAME -->` and `<!-- /NAME -->`. */
async function putBetween(file: string, name: string, content: string): Promise<void> {
  const [before, , after] = (await read(file)).split(new RegExp(`(?<=<!-- ${name} -->\n)([\\s\\S]*)(?=<!-- /${name} -->)`));
  if (before === undefined || after === undefined)
    throw new Error(`"${file}" has no place for "${name}": put <!-- ${name} --> and <!-- /${name} --> there`);
  await put(file, before + content + after);
}

async function read(file: string): Promise<string> {
  try {
    return await readFile(join(projectRoot, file), 'utf8');
  } catch {
    return '';
  }
}

function json(value: unknown): string {
  return `${JSON.stringify(value, null, 2)}\n`;
}

/** One row for each value that can be set, with what values.yaml says. */
async function valuesTable(): Promise<string> {
  const defaults: unknown = parse(await read(`${CHART}/values.yaml`));
  const rows = Object.entries(valuesSchema.properties ?? {})
    .filter(([key]) => key !== 'global')
    .flatMap(([key, schema]) => rowsOf(key, schema, (defaults as Record<string, unknown>)[key]));
  return `| value | default | meaning |\n| --- | --- | --- |\n${rows.join('')}`;
}

function rowsOf(path: string, schema: Schema, value: unknown): string[] {
  if (schema.description !== undefined) return [`| \`${path}\` | \`${JSON.stringify(value)}\` | ${schema.description} |\n`];
  const below = (value ?? {}) as Record<string, unknown>;
  return Object.entries(schema.properties ?? {}).flatMap(([key, inner]) => rowsOf(`${path}.${key}`, inner, below[key]));
}
