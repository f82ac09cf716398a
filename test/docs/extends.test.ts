/** The example of docs/configuration.md for `extends` does what is said of it. */

import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from '@jest/globals';
import { loadConfig } from '../../src/config/load.ts';
import { ENV, validConfig } from '../config/fixture.ts';
import { blocks } from './markdown.ts';

test('the small config of the documentation works over a shared one', async () => {
  const [example] = blocks('docs/configuration.md', ['jsonc']).filter(({ text }) => text.includes('"extends"'));
  const folder = await mkdtemp(join(tmpdir(), 'token-broker-docs-'));
  const file = join(folder, 'orders.config.json');
  await writeFile(join(folder, 'shared.config.json'), JSON.stringify(validConfig()));
  await writeFile(join(folder, 'secret'), 'of orders', { mode: 0o600 });
  await writeFile(file, example?.text.replace('/run/secrets/orders', './secret') ?? '');
  const { config, warnings } = await loadConfig(file, { env: ENV });
  expect([config.log.level, config.tokens['orders']?.clientId, warnings]).toEqual(['debug', 'orders-sidecar', []]);
  await rm(folder, { recursive: true });
});
