/** The section "Client authentication" of docs/tokens.md: each example can be used, each method has one. */

import { readFileSync } from 'node:fs';
import { describe, expect, test } from '@jest/globals';
import { clientAuthentication, METHODS } from '../../src/config/schema/client-authentication.ts';

const page = readFileSync(new URL('../../docs/tokens.md', import.meta.url), 'utf8');
const section = page.slice(page.indexOf('\n## Client authentication\n')).replace(/\n## (?!Client)[\s\S]*/, '');
const examples = [...section.matchAll(/```json\n([^`]*)```/g)].map(([, text]) => text as string);

describe('docs/tokens.md, client authentication', () => {
  test.each(examples)('%s', (example) => {
    expect(clientAuthentication.safeParse(JSON.parse(example)).error).toBeUndefined();
  });

  test('has an example of each method under its name', () => {
    const shown = new Set(examples.map((example) => clientAuthentication.parse(JSON.parse(example)).method));
    expect([...shown].sort()).toEqual([...METHODS].sort());
    for (const method of shown) expect(section).toContain(`\n### ${method}\n`);
  });
});
