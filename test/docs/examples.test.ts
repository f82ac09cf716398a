/** Every whole config in the documentation is one that the broker accepts. */

import { randomBytes } from 'node:crypto';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { basename, dirname, join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { parse } from 'jsonc-parser';
import { loadConfig } from '../../src/config/load.ts';
import { PASSWORD_HASH } from '../config/fixture.ts';
import { createAuthority } from '../helpers/certificates.ts';
import { blocks, pages } from './markdown.ts';

/** Other examples show a part, or a line of a log. */
const examples = pages.flatMap((page) =>
  blocks(page, ['jsonc', 'json']).filter(({ text }) => text.startsWith('{') && text.includes('"listeners"')),
);

interface Reference {
  readonly key: string;
  readonly env?: string;
  readonly file?: string;
}

/** What the example takes from its surroundings, with the key that it is for. */
function referencesIn(value: unknown, key = ''): Reference[] {
  if (Array.isArray(value)) return value.flatMap((item) => referencesIn(item, key));
  if (typeof value !== 'object' || value === null) return [];
  const { fromEnv: env, fromFile: file } = value as { fromEnv?: string; fromFile?: string };
  if (env !== undefined) return [{ key, env }];
  if (file !== undefined) return [{ key, file }];
  const isStoreKey = 'id' in value && 'key' in value;
  return Object.entries(value).flatMap(([name, child]) => referencesIn(child, isStoreKey ? `store ${name}` : name));
}

describe('config examples', () => {
  let folder = '';
  let values: Readonly<Record<string, string>>;
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'token-broker-docs-'));
    const authority = await createAuthority();
    const { cert, key } = await authority.issueServer();
    values = {
      cert,
      key,
      ca: authority.certificate,
      clientCa: authority.certificate,
      crl: await authority.revocationList([]),
      passwordHash: PASSWORD_HASH,
      'store key': randomBytes(32).toString('base64'),
      url: 'rediss://redis.example:6379',
    };
  });
  afterAll(() => rm(folder, { recursive: true }));

  test('are found by this test', () => {
    expect(new Set(examples.map(({ page }) => page))).toContain('docs/configuration.md');
  });

  test.each(examples)('$page:$line passes', async ({ text, page, line }) => {
    const references = referencesIn(parse(text, [], { allowTrailingComma: true }));
    const valueFor = ({ key }: Reference) => values[key] ?? 'some text';
    const env = Object.fromEntries(references.flatMap((entry) => (entry.env === undefined ? [] : [[entry.env, valueFor(entry)]])));
    const home = join(folder, `${basename(page)}-${line}`);
    let config = text;
    for (const entry of references) {
      if (entry.file === undefined) continue;
      const file = join(home, entry.file);
      await mkdir(dirname(file), { recursive: true });
      await writeFile(file, valueFor(entry), { mode: 0o600 });
      // What stands at a fixed place of the machine in the example stands in a folder of the test here.
      config = config.replaceAll(JSON.stringify(entry.file), JSON.stringify(file));
    }
    await mkdir(home, { recursive: true });
    await writeFile(join(home, 'sidecar.config.json'), config);
    const { warnings } = await loadConfig(join(home, 'sidecar.config.json'), { env, use: 'dev' });
    // What an example calls unsafe is meant as such.
    const surprising = warnings.filter(({ path }) => !/\.unsafe\w+$/.test(path));
    expect(surprising.map(({ path, message }) => `${path} ${message}`)).toEqual([]);
  });
});
