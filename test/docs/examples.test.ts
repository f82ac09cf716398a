/** Every whole config in the documentation is one that the broker accepts. */

import { basename } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { loadConfig } from '../../src/config/load.ts';
import { blocks, pages } from './markdown.ts';
import { createSurroundings, type Surroundings } from './surroundings.ts';

/** Other examples show a part, or a line of a log. */
const examples = pages.flatMap((page) =>
  blocks(page, ['jsonc', 'json']).filter(({ text }) => text.startsWith('{') && text.includes('"listeners"')),
);

describe('config examples', () => {
  let surroundings: Surroundings;
  beforeAll(async () => {
    surroundings = await createSurroundings();
  });
  afterAll(() => surroundings.close());

  test('are found by this test', () => {
    expect(new Set(examples.map(({ page }) => page))).toContain('docs/configuration.md');
  });

  test.each(examples)('$page:$line passes', async ({ text, page, line }) => {
    const { file, env } = await surroundings.place(`${basename(page)}-${line}`, text);
    const { warnings } = await loadConfig(file, { env, use: 'dev' });
    // What an example calls unsafe is meant as such.
    const surprising = warnings.filter(({ path }) => !/\.unsafe\w+$/.test(path));
    expect(surprising.map(({ path, message }) => `${path} ${message}`)).toEqual([]);
  });
});
