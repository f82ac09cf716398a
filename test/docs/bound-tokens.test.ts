/** The examples of docs/tokens.md, "Bound tokens", are tokens that the config takes. */

import { readFileSync } from 'node:fs';
import { describe, expect, test } from '@jest/globals';
import { parse } from 'jsonc-parser';
import { token } from '../../src/config/schema/tokens.ts';

const page = readFileSync(new URL('../../docs/tokens.md', import.meta.url), 'utf8');
const section = page.slice(page.indexOf('\n## Bound tokens\n')).replace(/\n## (?!Bound)[\s\S]*/, '');
const examples = [...section.matchAll(/### (\w+)\n|```jsonc\n([\s\S]*?)```/g)];

describe('docs/tokens.md, "Bound tokens"', () => {
  test.each(['dpop', 'certificateBound'])('has an example of %s', (key) => {
    const at = examples.findIndex(([, heading]) => heading === key);
    const tokens = Object.values(parse(`{ ${examples[at + 1]?.[2]} }`, [], { allowTrailingComma: true }) as Record<string, unknown>);
    expect(tokens).toHaveLength(1);
    for (const example of tokens) expect(token.parse(example)).toMatchObject({ [key]: expect.anything() });
  });
});
