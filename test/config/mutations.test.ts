/** Whatever is done to a config: the loader answers with problems, in time, and never quotes a value. */

import { generateKeyPairSync } from 'node:crypto';
import { writeFile } from 'node:fs/promises';
import { inspect } from 'node:util';
import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { loadConfig } from '../../src/config/load.ts';
import { ConfigError } from '../../src/config/problem.ts';
import { createCanaries } from '../helpers/canaries.ts';
import { scaled } from '../helpers/scale.ts';
import { bent, type Loose, useDirectory, verdict } from './fixture.ts';

const canaries = createCanaries();
/** With characters that no name has: what stands where a name belongs is quoted, by design, when it could be one. */
const CANARY = canaries.plant('config');
const KEY = generateKeyPairSync('ed25519').privateKey.export({ type: 'pkcs8', format: 'pem' }).toString();
canaries.watch('key', KEY);
const directory = useDirectory();
const file = () => directory.path('sidecar.config.json');
const ENV = { CLIENT_SECRET: CANARY };

const rich = () =>
  bent((config) => {
    config['listeners'].open = {
      address: '0.0.0.0:8443',
      authenticate: ['basic', 'mtls'],
      tls: { cert: CANARY, key: { unsafeInline: CANARY } },
    };
    config['callers'].app.basic.passwordHash = [{ unsafeInline: CANARY }, CANARY, { fromFile: CANARY }, { fromEnv: CANARY }];
    config['callers'].cert = { mtls: { uri: 'spiffe://acme.example/*', fingerprint: 'ab'.repeat(32) } };
    config['callers'].batch = {
      jwt: {
        issuer: 'https://idp.example',
        audience: 'a',
        claims: { sub: 'b*', admin: true },
        jwksUri: 'https://idp.example/keys',
        bearerToken: { unsafeInline: CANARY },
      },
    };
    config['callersFile'] = CANARY;
    config['tokens'].ledger = {
      ...config['tokens'].orders,
      grant: 'password',
      scope: 'a b',
      resourceOwner: { username: CANARY, password: { unsafeInline: CANARY } },
      headers: { 'X-Key': `${CANARY}\n` },
      parameters: { tenant: CANARY },
    };
    config['tokens'].signed = {
      ...config['tokens'].orders,
      clientAuthentication: { method: 'private_key_jwt', key: { unsafeInline: KEY }, alg: 'EdDSA', kid: CANARY, audience: CANARY },
    };
    config['tokens'].certified = {
      ...config['tokens'].orders,
      clientAuthentication: { method: 'tls_client_auth', certificate: CANARY, key: { unsafeInline: KEY } },
    };
    config['routes'].ledger = {
      path: '/ledger',
      callers: ['*'],
      token: 'ledger',
      upstream: 'http://ledger.example',
      headers: { 'X-Key': CANARY },
    };
    config['store'] = {
      redis: { url: { unsafeInline: `redis://:${CANARY}@r` } },
      encryption: { keys: [{ id: '1', key: { unsafeInline: CANARY } }] },
    };
    config['demo'] = {
      authorizationServer: { name: 'acme', address: '127.0.0.1:0' },
      upstream: { address: '127.0.0.1:0' },
      call: { listener: 'local', caller: 'app', password: { unsafeInline: CANARY }, path: '/orders' },
    };
  });

/** Everything the loader lets be seen: what it throws, warns about, or returns. */
async function shownFor(use: 'start' | 'dev' | 'check' = 'dev'): Promise<{ valid: boolean; shown: string }> {
  const show = (value: unknown) => inspect(value, { depth: 20, showHidden: true }) + JSON.stringify(value);
  try {
    const { config, ...rest } = await loadConfig(file(), { env: ENV, use });
    // Values that are public by their place may be seen in the config; secrets may not.
    return { valid: true, shown: show(rest) + show(config.tokens['orders']) + show(config.demo) };
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    return { valid: false, shown: show(error) + error.message };
  }
}

interface Place {
  readonly parent: Loose;
  readonly key: string;
}

function placesIn(value: unknown): Place[] {
  if (typeof value !== 'object' || value === null) return [];
  return Object.keys(value).flatMap((key) => [{ parent: value, key }, ...placesIn((value as Loose)[key])]);
}

const mutation = fc.record({
  at: fc.nat(),
  kind: fc.constantFrom('delete', 'rename', 'replace', 'swap', 'wrap'),
  other: fc.nat(),
  value: fc.oneof(
    fc.constantFrom(
      CANARY,
      `${CANARY}\n`,
      { fromFile: CANARY },
      { fromEnv: CANARY },
      { unsafeInline: CANARY },
      { [CANARY.length]: CANARY },
    ),
    fc.jsonValue(),
  ),
});

function mutate(config: Loose, { at, kind, other, value }: { at: number; kind: string; other: number; value: unknown }): void {
  const places = placesIn(config);
  const place = places[at % places.length];
  const target = places[other % places.length];
  if (place === undefined || target === undefined) return;
  const { parent, key } = place;
  if (kind === 'delete') delete parent[key];
  else if (kind === 'rename') parent[`${key.slice(1)}${key[0]}`] = parent[key];
  else if (kind === 'replace') parent[key] = structuredClone(value);
  else if (kind === 'swap') parent[key] = structuredClone(target.parent[target.key]);
  else parent[key] = [parent[key]];
}

const runs = scaled(300, 10_000);

describe('mutated configs', () => {
  test('K01 K03 give a verdict and quote no value, however the tree is changed', async () => {
    let invalid = 0;
    await fc.assert(
      fc.asyncProperty(fc.array(mutation, { minLength: 1, maxLength: 4 }), async (mutations) => {
        const config = rich();
        for (const change of mutations) mutate(config, change);
        await writeFile(file(), JSON.stringify(config));
        const { valid, shown } = await shownFor();
        if (!valid) invalid += 1;
        expect(canaries.find(shown)).toEqual([]);
      }),
      { numRuns: runs },
    );
    expect(invalid).toBeGreaterThan(0);
  });

  test('K01 K03 give a verdict and quote no value, however the text is changed', async () => {
    const text = JSON.stringify(rich(), null, 1);
    const edit = fc.tuple(
      fc.nat(text.length),
      fc.nat(5),
      fc.oneof(fc.constantFrom('"', '{', '}', '[', ',', ':', '/*', '//', '\\', '\n', '\0', '\u2028'), fc.string({ maxLength: 3 })),
    );
    await fc.assert(
      fc.asyncProperty(fc.array(edit, { minLength: 1, maxLength: 3 }), async (edits) => {
        const edited = edits.reduce((whole, [at, length, insert]) => whole.slice(0, at) + insert + whole.slice(at + length), text);
        await writeFile(file(), edited);
        expect(canaries.find((await shownFor()).shown)).toEqual([]);
      }),
      { numRuns: runs },
    );
  });

  test('K01 give a verdict for any bytes', async () => {
    await fc.assert(
      fc.asyncProperty(fc.uint8Array({ maxLength: 200 }), async (bytes) => {
        await writeFile(file(), bytes);
        expect((await shownFor()).valid).toBe(false);
      }),
      { numRuns: 100 },
    );
  });

  test('K06 get the same verdict from check as from start, 200 of them', async () => {
    const verdicts = { valid: 0, invalid: 0 };
    await fc.assert(
      fc.asyncProperty(mutation, async (change) => {
        const config = bent(() => undefined);
        mutate(config, change);
        const [start, check] = [await verdict(file(), config, { use: 'start' }), await verdict(file(), config, { use: 'check' })];
        // What is only for "dev" is the one difference, and check says so.
        if ('demo' in config) return;
        expect(check.problems).toEqual(start.problems);
        expect(check.warnings).toEqual(start.warnings);
        verdicts[start.problems.length === 0 ? 'valid' : 'invalid'] += 1;
      }),
      { numRuns: 200 },
    );
    expect(verdicts.valid).toBeGreaterThan(0);
    expect(verdicts.invalid).toBeGreaterThan(0);
  });

  test('K01 have their worst case bounded: a megabyte of unknown keys is judged', async () => {
    const keys = Array.from({ length: 50_000 }, (_, index) => `"unknown${index}": 1`);
    const { problems } = await verdict(file(), `{ ${keys.join(',\n')} }`);
    expect(problems.length).toBeGreaterThan(50_000 - 1);
  });
});
