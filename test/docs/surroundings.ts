/** What a config in the documentation takes from its surroundings, made for a test: files and variables. */

import { randomBytes } from 'node:crypto';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { parse } from 'jsonc-parser';
import { PASSWORD_HASH } from '../config/fixture.ts';
import { createAuthority } from '../helpers/certificates.ts';
import { keytabOf } from '../helpers/keytab.ts';

export interface Surroundings {
  /** Writes the config and the files that it names, into a folder of that name. */
  place(folder: string, config: string): Promise<{ readonly file: string; readonly env: Record<string, string> }>;
  close(): Promise<void>;
}

/** @param more values by key, or by the file that holds them; what has none holds `some text` */
export async function createSurroundings(more: Readonly<Record<string, string>> = {}): Promise<Surroundings> {
  const home = await mkdtemp(join(tmpdir(), 'token-broker-docs-'));
  const values: Record<string, string> = { ...(await usualValues()), ...more };
  const valueFor = ({ key, file }: Reference) => values[file ?? ''] ?? values[key] ?? 'some text';
  return {
    async place(folder, config) {
      const references = referencesIn(parse(config, [], { allowTrailingComma: true }));
      const env = Object.fromEntries(references.flatMap((entry) => (entry.env === undefined ? [] : [[entry.env, valueFor(entry)]])));
      let placed = config;
      for (const entry of references) {
        if (entry.file === undefined) continue;
        const path = join(home, folder, entry.file);
        await mkdir(dirname(path), { recursive: true });
        await writeFile(path, valueFor(entry), { mode: 0o600, encoding: 'latin1' });
        // What stands at a fixed place of the machine in the example stands in a folder of the test here.
        placed = placed.replaceAll(JSON.stringify(entry.file), JSON.stringify(path));
      }
      await mkdir(join(home, folder), { recursive: true });
      const file = join(home, folder, 'sidecar.config.json');
      await writeFile(file, placed);
      return { file, env };
    },
    close: () => rm(home, { recursive: true }),
  };
}

async function usualValues(): Promise<Record<string, string>> {
  const authority = await createAuthority();
  const { cert, key } = await authority.issueServer();
  return {
    cert,
    key,
    ca: authority.certificate,
    clientCa: authority.certificate,
    crl: await authority.revocationList([]),
    passwordHash: PASSWORD_HASH,
    'store key': randomBytes(32).toString('base64'),
    url: 'rediss://redis.example:6379',
    bearerToken: 'token-of-a-service-account',
    keytab: keytabOf('HTTP/broker.acme.example@ACME.EXAMPLE').toString('latin1'),
    callersFile: 'ann:$2y$10$N9qo8uLOickgx2ZMRZoMyeIjZAgcfl7p92ldGxad68LJZdL17lhWy',
  };
}

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
  const pathKey = (['callersFile', 'keytab'] as const).find((each) => typeof (value as Record<string, unknown>)[each] === 'string');
  if (pathKey !== undefined)
    return [
      { key: pathKey, file: (value as Record<string, string>)[pathKey] as string },
      ...referencesIn({ ...value, [pathKey]: undefined }),
    ];
  const isStoreKey = 'id' in value && 'key' in value;
  return Object.entries(value).flatMap(([name, child]) => referencesIn(child, isStoreKey ? `store ${name}` : name));
}
