import { readFile } from 'node:fs/promises';
import { describe, expect, test } from '@jest/globals';
import { configJsonSchema, type JsonSchema, schemaAt, wanted } from '../../src/config/json-schema.ts';
import { bent, type Loose, useDirectory, verdict } from './fixture.ts';

const directory = useDirectory();

/** Every key whose name begins with "unsafe", as the path of an example. */
function unsafeKeys(schema: JsonSchema, path: readonly string[]): string[][] {
  const alternatives = [...(schema.anyOf ?? []), ...(schema.oneOf ?? [])] as JsonSchema[];
  const { additionalProperties: entry, properties = {}, items } = schema;
  return [
    ...alternatives.flatMap((alternative) => unsafeKeys(alternative, path)),
    ...(typeof entry === 'object' ? unsafeKeys(entry, [...path, '*']) : []),
    ...(typeof items === 'object' && !Array.isArray(items) ? unsafeKeys(items, [...path, '[]']) : []),
    ...Object.entries(properties).flatMap(([key, property]) =>
      key.startsWith('unsafe') ? [[...path, key]] : unsafeKeys(property as JsonSchema, [...path, key]),
    ),
  ];
}

describe('the JSON Schema', () => {
  test('that is checked in is the one the code makes', async () => {
    const checkedIn = await readFile(new URL('../../sidecar.schema.json', import.meta.url), 'utf8');
    expect(checkedIn).toBe(`${JSON.stringify(configJsonSchema(), null, 2)}\n`);
  });

  test('describes every key, so that editors and the reference can', () => {
    const undescribed: string[] = [];
    const visit = (schema: JsonSchema, path: string) => {
      for (const [key, property] of Object.entries(schema.properties ?? {})) {
        const child = property as JsonSchema;
        if (child.description === undefined) undescribed.push(`${path}.${key}`);
        visit(child, `${path}.${key}`);
      }
      for (const alternative of [...(schema.anyOf ?? []), ...(schema.oneOf ?? [])]) visit(alternative, path);
      if (isMap(schema)) visit(schema.additionalProperties as JsonSchema, `${path}.*`);
    };
    const isMap = (schema: JsonSchema) => typeof schema.additionalProperties === 'object';
    visit(configJsonSchema(), '');
    expect(undescribed).toEqual([]);
  });

  test('is closed everywhere: no object takes unknown keys', () => {
    const open: string[] = [];
    const visit = (schema: unknown, path: string) => {
      if (typeof schema !== 'object' || schema === null) return;
      const { type, additionalProperties, properties } = schema as JsonSchema;
      if (type === 'object' && properties !== undefined && additionalProperties !== false) open.push(path);
      for (const [key, child] of Object.entries(schema)) visit(child, `${path}.${key}`);
    };
    visit(configJsonSchema(), '');
    expect(open).toEqual([]);
  });

  test('words what is wanted at a place', () => {
    const schema = configJsonSchema();
    const raw = { tokens: { a: { grant: 'password' } } };
    expect(wanted(schemaAt(schema, raw, ['shutdown', 'grace']))).toBe('a string such as "30s"');
    expect(wanted(schemaAt(schema, raw, ['tokens', 'a', 'resourceOwner']))).toBe('an object with "username", "password"');
    expect(wanted(schemaAt(schema, raw, ['tokens', 'a', 'grant']))).toBe('"password"');
    expect(wanted(schemaAt(schema, raw, ['nowhere', 0]))).toBe('a value');
  });
});

describe('K05 every key that lowers protection', () => {
  // "unsafeInline" is a warning where it holds a secret, and none where it holds public material.
  const keys = unsafeKeys(configJsonSchema(), []).filter((path) => path.at(-1) !== 'unsafeInline');

  test('is found by this test', () => {
    expect(keys.map((path) => path.join('.')).sort()).toEqual([
      'authorizationServers.*.unsafeHttp',
      'listeners.*.unsafeAnonymous',
      'listeners.*.unsafePlaintext',
      'routes.*.unsafeHttp',
      'store.unsafePlaintext',
      'telemetry.unsafeHttp',
    ]);
  });

  test.each(keys.map((path) => path.join('.')))('%s is warned about by name', async (key) => {
    const names: Loose = { listeners: 'local', authorizationServers: 'acme', routes: 'orders' };
    const steps = key.replace('*', names[key.split('.')[0] as string]).split('.');
    const config = bent((draft) => {
      draft['telemetry'] = { tracesEndpoint: 'https://collector.example/v1/traces' };
      draft['store'] = { redis: { url: 'rediss://r.example' } };
      if (!key.startsWith('store')) delete draft['store'];
      steps.slice(0, -1).reduce((object, step) => object[step], draft)[steps.at(-1) as string] = true;
    });
    const { problems, warnings } = await verdict(directory.path('sidecar.config.json'), config);
    expect(problems).toEqual([]);
    expect(warnings.map(({ path }) => path)).toEqual([steps.join('.')]);
  });
});
