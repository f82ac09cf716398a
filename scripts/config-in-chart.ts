/** The JSON Schema of the broker's config as a part of a chart's values: without secrets, and such that Helm tells of one mistake in one line. */

export interface Schema {
  readonly [keyword: string]: unknown;
  readonly description?: string;
  readonly properties?: Readonly<Record<string, Schema>>;
  readonly required?: readonly string[];
  readonly oneOf?: readonly Schema[];
}

/** A chart's values end up in a ConfigMap: no secret in them, no demo, and nothing required that a later values file may give. */
export function configInChart(config: Schema): Schema {
  const { $schema: _path, demo: _demo, ...properties } = config.properties ?? {};
  return everywhere({ ...config, properties }) as Schema;
}

function everywhere(node: unknown): unknown {
  if (Array.isArray(node)) return node.map(everywhere);
  if (typeof node !== 'object' || node === null) return node;
  const { unsafeInline: _inline, ...rest } = node as Schema;
  return Object.fromEntries(Object.entries(withClearChoice(rest)).map(([key, value]) => [key, everywhere(value)]));
}

/**
 * Where one key says which of several objects is meant, as "grant" does for tokens, only that one is to be held against it. For `oneOf` Helm
 * tells what is wrong with each of the others, too, which is a hundred lines for one misspelt key.
 */
function withClearChoice(node: Schema): Schema {
  const { oneOf: choices = [], ...rest } = node;
  const [key] = Object.keys(choices[0]?.properties ?? {}).filter((name) => choices.every((choice) => wordOf(choice, name) !== undefined));
  if (key === undefined) return node;
  const needed = choices.map((choice) => (choice.required ?? []).filter((name) => name === key));
  return {
    ...rest,
    type: 'object',
    properties: { [key]: { enum: choices.map((choice) => wordOf(choice, key)) } },
    ...(needed.every(({ length }) => length > 0) ? { required: [key] } : {}),
    // Without the key, the one that does not need it is meant.
    allOf: choices.map((choice, index) => ({
      // Not by "then": an object that has it is taken for a promise.
      if: { not: { properties: { [key]: { const: wordOf(choice, key) } }, required: needed[index] } },
      else: choice,
    })),
  };
}

function wordOf(choice: Schema, key: string): unknown {
  return choice.properties?.[key]?.['const'];
}
