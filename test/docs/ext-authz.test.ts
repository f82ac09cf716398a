/** docs/ext-authz.md and examples/ext-authz/ speak of each dialect, in its own words. */

import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from '@jest/globals';
import { projectRoot } from '../../scripts/find-tool.mjs';
import { DIALECTS } from '../../src/config/schema/listeners.ts';
import { dialectFields } from '../../src/listener/dialect.ts';
import { read } from './markdown.ts';

const page = read('docs/ext-authz.md');
const folder = join(projectRoot, 'examples/ext-authz');
const files = readdirSync(folder);

describe.each(DIALECTS)('%s', (dialect) => {
  test('has its fields in the table of the page, and a section', () => {
    const row = page.split('\n').find((line) => line.startsWith('| `') && line.split('|')[1]?.includes(`\`${dialect}\``));
    const named = new Set(row?.match(/`X-[A-Za-z-]+`/g)?.map((name) => name.slice(1, -1)));
    expect(named).toEqual(new Set(dialectFields(dialect)));
    expect(page).toMatch(new RegExp(`^## ${dialect}$`, 'im'));
  });

  test('has an example that says which listener it needs, and to which the page leads', () => {
    const texts = files.map((file) => [file, readFileSync(join(folder, file), 'utf8')] as const);
    const own = texts.filter(([, text]) => text.includes(`"serve": "ext-authz", "dialect": "${dialect}"`)).map(([file]) => file);
    expect(own).toHaveLength(1);
    expect(page).toContain(`](../examples/ext-authz/${own[0]})`);
  });
});
