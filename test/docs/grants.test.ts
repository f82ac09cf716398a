/** The examples of docs/tokens.md, "Grants", are tokens that the config takes. */

import { readFileSync } from 'node:fs';
import { describe, expect, test } from '@jest/globals';
import { parse } from 'jsonc-parser';
import { token } from '../../src/config/schema/tokens.ts';

const page = readFileSync(new URL('../../docs/tokens.md', import.meta.url), 'utf8');
const section = page.slice(page.indexOf('\n## Grants\n'), page.indexOf('\n## What is believed'));
const examples = [...section.matchAll(/### (\w+)\n[^#]*?```jsonc\n([\s\S]*?)```/g)].map(([, heading = '', text = '']) => [heading, text]);

describe('docs/tokens.md, "Grants"', () => {
  test('has an example of each grant', () => {
    const grants = token.options.map((option) => option.shape.grant.value);
    expect(examples.map(([heading]) => heading)).toEqual(grants);
    expect([...section.matchAll(/^\| `(\w+)` \|/gm)].map(([, grant]) => grant)).toEqual(grants);
  });

  test.each(examples)('%s: the example is right', (heading, text) => {
    const tokens = parse(`{ ${text} }`, [], { allowTrailingComma: true }) as Record<string, unknown>;
    for (const example of Object.values(tokens)) expect(token.parse(example).grant).toBe(heading);
  });
});
