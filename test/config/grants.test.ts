import { generateKeyPairSync } from 'node:crypto';
import { mkdir, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, test } from '@jest/globals';
import { bent, type Loose, load, said, useDirectory, verdict } from './fixture.ts';

const directory = useDirectory();
const file = () => directory.path('sidecar.config.json');
const KEY = Buffer.alloc(32).toString('base64');
const ENV = { CLIENT_SECRET: 'client secret', KEY, TOKEN: 'refresh token', OTHER: 'other refresh token', SAME: 'refresh token' };

/** What the loader says of the token `orders` with these keys instead of its own. */
async function problemsOf(keys: Loose, more: (config: Loose) => void = () => undefined): Promise<string[]> {
  const config = bent((draft) => {
    Object.assign(draft['tokens'].orders, keys);
    more(draft);
  });
  return said((await verdict(file(), config, { env: ENV, use: 'dev' })).problems);
}

describe('the grant refresh_token', () => {
  const refreshing = { grant: 'refresh_token', refreshToken: { fromEnv: 'TOKEN' } };
  const persisting = { ...refreshing, persist: 'kept', persistKey: { fromEnv: 'KEY' } };

  test('keeps its file where the config says, relative to the config', async () => {
    const config = bent((draft) => Object.assign(draft['tokens'].orders, persisting));
    const loaded = await load(file(), config, { env: ENV });
    const { orders } = loaded.config.tokens;
    expect(orders?.grant === 'refresh_token' && orders.persist?.path).toBe(directory.path('kept'));
  });

  test('needs a refresh token, and a file only with a key', async () => {
    expect(await problemsOf({ grant: 'refresh_token' })).toEqual([
      expect.stringMatching(/^tokens\.orders\.refreshToken is missing; give /),
    ]);
    expect(await problemsOf({ ...refreshing, persist: 'kept' })).toEqual(['tokens.orders needs "persist" and "persistKey" together']);
    expect(await problemsOf({ ...persisting, persistKey: { fromEnv: 'TOKEN' } })).toEqual([
      expect.stringMatching(
        /^tokens\.orders\.persistKey\.fromEnv names an environment variable whose value is not base64 of exactly 32 bytes/,
      ),
    ]);
  });

  test.each(['of two\nlines', 'caf\xe9'])('takes no refresh token that no server gives: %j', async (unsafeInline) => {
    expect(await problemsOf({ ...refreshing, refreshToken: { unsafeInline } })).toEqual([
      expect.stringMatching(/^tokens\.orders\.refreshToken is not a refresh token; remove line breaks/),
    ]);
  });

  test('refuses a folder that is not there, and a file that two tokens would share', async () => {
    expect(await problemsOf({ ...persisting, persist: 'nowhere/kept' })).toEqual([
      'tokens.orders.persist lies in a folder that does not exist; create it, or correct the path',
    ]);
    await mkdir(directory.path('state'));
    const share = (draft: Loose) => {
      draft['tokens'].second = { ...draft['tokens'].orders, refreshToken: { fromEnv: 'OTHER' }, persist: join('state', '..', 'kept') };
    };
    expect(await problemsOf(persisting, share)).toEqual(['tokens.second.persist is a file that another token uses too; give each its own']);
  });

  test.each([
    ['two files', persisting, { persist: 'kept-too' }],
    ['a file and memory', refreshing, { persist: 'kept', persistKey: { fromEnv: 'KEY' } }],
    ['memory and a file', persisting, { persist: undefined, persistKey: undefined }],
    ['two files, and by two names', persisting, { persist: 'kept-too', refreshToken: { fromEnv: 'SAME' } }],
  ])('T13 refuses one refresh token for two tokens, where it would be replaced in %s', async (_what, first, second) => {
    const share = (draft: Loose) => {
      draft['tokens'].second = { ...draft['tokens'].orders, ...second };
    };
    expect(await problemsOf(first, share)).toEqual([
      'tokens.second.refreshToken is that of token "orders" too: whichever has it replaced first, and kept at "persist", leaves the other one a used one; obtain one for each, or remove one token',
    ]);
  });

  test('T13 lets two tokens use one refresh token that is not replaced', async () => {
    expect(await problemsOf(refreshing, ({ tokens }) => Object.assign(tokens, { second: { ...tokens.orders } }))).toEqual([]);
  });

  test('says of one that is not there only that, though another token has one too', async () => {
    const share = (draft: Loose) => {
      draft['tokens'].second = { ...draft['tokens'].orders, refreshToken: { fromEnv: 'NOWHERE' } };
    };
    expect(await problemsOf(refreshing, share)).toEqual([
      'tokens.second.refreshToken.fromEnv names an environment variable that is not set; set it, or correct the name',
    ]);
  });

  test('refuses one file by two ways to its folder', async () => {
    await mkdir(directory.path('real'));
    await symlink(directory.path('real'), directory.path('linked'));
    const share = (draft: Loose) => {
      draft['tokens'].second = { ...draft['tokens'].orders, refreshToken: { fromEnv: 'OTHER' }, persist: 'linked/kept' };
    };
    expect(await problemsOf({ ...persisting, persist: 'real/kept' }, share)).toEqual([
      'tokens.second.persist is a file that another token uses too; give each its own',
    ]);
  });

  test('refuses to write over what it reads: the refresh token, its key, the config itself', async () => {
    await writeFile(directory.path('first'), 'refresh token', { mode: 0o600 });
    const fault = 'tokens.orders.persist is a file that the config reads something else from, which would be lost; name one of its own';
    expect(await problemsOf({ ...persisting, refreshToken: { fromFile: 'first' }, persist: 'first' })).toEqual([fault]);
    expect(await problemsOf({ ...persisting, persist: 'sidecar.config.json' })).toEqual([fault]);
  });

  test('belongs to no other grant', async () => {
    expect(await problemsOf({ refreshToken: { fromEnv: 'TOKEN' } })).toEqual([
      expect.stringMatching(/^tokens\.orders\.refreshToken is not a known key/),
    ]);
  });
});

describe('the grant token_exchange', () => {
  const exchanging = { grant: 'token_exchange', subject: { fromEnv: 'TOKEN' } };

  test('needs a subject by reference', async () => {
    expect(await problemsOf({ grant: 'token_exchange' })).toEqual([expect.stringMatching(/^tokens\.orders\.subject is missing; give /)]);
    expect(await problemsOf({ ...exchanging, subject: 'me' })).toEqual([
      expect.stringMatching(/^tokens\.orders\.subject is neither "caller" nor a reference; write /),
    ]);
    expect(await problemsOf(exchanging)).toEqual([
      'tokens.orders.subject.fromEnv names an environment variable whose value is not a token; give it alone, on one line, in visible ASCII',
    ]);
  });

  test('takes URIs as types', async () => {
    expect(await problemsOf({ ...exchanging, subject: { fromEnv: 'KEY' }, requestedTokenType: 'jwt' })).toEqual([
      'tokens.orders.requestedTokenType is not a token type; give its URI, such as urn:ietf:params:oauth:token-type:jwt',
    ]);
  });
});

describe('the grants jwt_bearer and saml2_bearer', () => {
  const key = generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey.export({ type: 'pkcs8', format: 'pem' });
  const sign = { key: { unsafeInline: key }, alg: 'ES256', issuer: 'i', audience: 'a' };
  const signing = (more: object = {}) => ({ grant: 'jwt_bearer', subject: { sign: { ...sign, ...more } } });

  test('take an assertion from a file or sign one, not both', async () => {
    expect(await problemsOf(signing())).toEqual([]);
    expect(await problemsOf({ grant: 'jwt_bearer', subject: { sign, fromEnv: 'TOKEN' } })).toEqual([
      'tokens.orders.subject must have exactly one of "fromEnv", "fromFile", "unsafeInline", "sign"',
    ]);
    expect(await problemsOf({ grant: 'jwt_bearer', subject: { fromEnv: 'TOKEN' } })).toEqual([
      expect.stringMatching(/^tokens\.orders\.subject\.fromEnv names an environment variable whose value holds no signed JWT/),
    ]);
    expect(await problemsOf({ grant: 'saml2_bearer', subject: { fromEnv: 'TOKEN' } })).toEqual([
      expect.stringMatching(/^tokens\.orders\.subject\.fromEnv names an environment variable whose value holds no SAML assertion/),
    ]);
    expect(await problemsOf({ grant: 'saml2_bearer', subject: { sign } })).toEqual([
      expect.stringMatching(/^tokens\.orders\.subject\.sign is not a known key/),
    ]);
    expect(await problemsOf({ ...signing(), subject: 'me' })).toEqual([
      expect.stringMatching(/^tokens\.orders\.subject is neither "caller" nor a reference; write /),
    ]);
  });

  test('sign only with what fits the key, and only claims that are not ours', async () => {
    expect(await problemsOf(signing({ alg: 'RS256' }))).toEqual([
      'tokens.orders.subject.sign.alg does not fit the key; use "ES256", or another key',
    ]);
    expect(await problemsOf(signing({ alg: 'none' }))).toEqual([
      'tokens.orders.subject.sign.alg must be one of "RS256", "PS256", "ES256", "EdDSA"',
    ]);
    expect(await problemsOf(signing({ claims: { exp: 1, scope: 'a' } }))).toEqual([
      'tokens.orders.subject.sign.claims.exp is written by the broker; use "issuer", "subject", "audience" or "lifetime"',
    ]);
    expect(await problemsOf(signing({ key: { fromEnv: 'TOKEN' } }))).toEqual([
      expect.stringMatching(/^tokens\.orders\.subject\.sign\.key\.fromEnv names an environment variable whose value holds no private key/),
    ]);
    expect(await problemsOf(signing({ lifetime: '2h' }))).toEqual(['tokens.orders.subject.sign.lifetime is too long; the most is 1h']);
  });

  test('need no client, but a client that proves itself needs an id', async () => {
    const without =
      (...keys: string[]) =>
      (draft: Loose) => {
        for (const key of keys) delete draft['tokens'].orders[key];
      };
    expect(await problemsOf(signing(), without('clientId', 'clientAuthentication'))).toEqual([]);
    expect(await problemsOf(signing(), without('clientAuthentication'))).toEqual([]);
    expect(await problemsOf(signing(), without('clientId'))).toEqual([
      'tokens.orders.clientId is missing; give a string such as "orders-sidecar"',
    ]);
  });
});

test("a grant that the demo's authorization server does not know is refused where it is to play the server", async () => {
  const demo = (draft: Loose) => {
    draft['demo'] = {
      authorizationServer: { name: 'acme', address: '127.0.0.1:0' },
      upstream: { address: '127.0.0.1:0' },
      call: { listener: 'local', caller: 'app', password: { fromEnv: 'CLIENT_SECRET' }, path: '/orders' },
    };
  };
  expect(await problemsOf({ grant: 'refresh_token', refreshToken: { fromEnv: 'TOKEN' } }, demo)).toEqual([
    'tokens.orders.grant is not known to the demo\'s authorization server; use "client_credentials" or "password"',
  ]);
});
