/** Every field that the schema knows has a verdict: does it change what a token is worth? A new one without a verdict fails here. */

import { beforeAll, describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import * as z from 'zod';
import { authorizationServer } from '../../src/config/schema/authorization-servers.ts';
import { type GrantConfig, token } from '../../src/config/schema/tokens.ts';
import { tokenIdentity } from '../../src/token/identity.ts';
import { createSelfSigned } from '../helpers/certificates.ts';

interface Verdict {
  /** Whether another value makes it another token. */
  readonly counts: boolean;
  /** Another value than that of `BASES`. */
  readonly other: unknown;
}

const counts = (other: unknown): Verdict => ({ counts: true, other });
const ignored = (other: unknown): Verdict => ({ counts: false, other });
const from = (name: string) => ({ fromEnv: name });

let certificates = ['', ''];
beforeAll(async () => {
  certificates = [(await createSelfSigned({ commonName: 'c' })).cert, (await createSelfSigned({ commonName: 'c' })).cert];
});

/** By path; `server.` is the entry under "authorizationServers". What cannot change alone stands under `APART`. */
const VERDICTS: Readonly<Record<string, Verdict>> = {
  'server.issuer': counts('https://as.example/other'),
  'server.metadataUrl': counts('https://as.example/other.json'),
  'server.tokenEndpoint': counts('https://as.example/other-token'),
  'server.tokenTypes': counts(['Bearer', 'mac']),
  'server.metadataMaxAge': ignored('2h'),
  'server.timeout': ignored('20s'),
  'server.connectTimeout': ignored('3s'),
  'server.tls.ca': ignored('other pem'),
  'server.unsafeHttp': ignored(undefined),
  'server.proxy.url': ignored('http://other-proxy.example:3128'),
  'server.proxy.username': ignored('other'),
  'server.proxy.password': ignored(from('OTHER')),
  'server.revocationEndpoint': ignored('https://as.example/other-revocation'),
  'server.registrationEndpoint': ignored('https://as.example/other-registration'),
  'server.initiation.method': ignored('PUT'),
  'server.initiation.url': ignored('https://as.example/other-begin'),
  'server.initiation.headers': ignored({ 'x-key': 'other' }),
  'server.initiation.body': ignored('other'),
  // Only the name that the config has for the server.
  authorizationServer: ignored('another'),
  clientId: counts('another'),
  'clientAuthentication.secret': ignored(from('OTHER')),
  'clientAuthentication.encoding': ignored('raw'),
  'clientAuthentication.alg': ignored('HS512'),
  'clientAuthentication.audience': ignored('https://as.example/other'),
  'clientAuthentication.key': ignored(from('OTHER')),
  'clientAuthentication.kid': ignored('other'),
  'clientAuthentication.assertion': ignored(from('OTHER')),
  'clientAuthentication.assertionType': ignored('urn:other'),
  'registration.clientAuthentication.encoding': ignored('raw'),
  'registration.clientAuthentication.alg': ignored('HS512'),
  'registration.clientAuthentication.audience': ignored('https://as.example/other'),
  'registration.clientAuthentication.key': ignored(from('OTHER')),
  'registration.clientAuthentication.kid': ignored('other'),
  'registration.initialAccessToken': ignored(from('OTHER')),
  'registration.metadata': counts({ software_id: 'other' }),
  'registration.persist': ignored('state/other'),
  'registration.persistKey': ignored(from('OTHER')),
  scope: counts('a c'),
  onMissingScope: counts('refuse'),
  audience: counts(['x', 'z']),
  resource: counts(['https://r.example/other']),
  parameters: counts({ x: '2' }),
  headers: counts({ 'x-tenant': 'other' }),
  dpop: counts(true),
  'dpop.alg': counts('EdDSA'),
  certificateBound: counts(true),
  'certificateBound.key': ignored(from('OTHER')),
  maxSize: ignored('4KiB'),
  'upstreamFrom.field': counts('other'),
  'upstreamFrom.allow': counts(['https://other.example']),
  revokeOnShutdown: ignored(true),
  callers: ignored(['other']),
  'renew.before': ignored('31s'),
  'renew.hardMargin': ignored('3s'),
  'renew.minInterval': ignored('2s'),
  'renew.eager': ignored(false),
  'renew.idleAfter': ignored('11m'),
  'renew.defaultLifetime': ignored('6m'),
  'renew.maxLifetime': ignored('23h'),
  'resourceOwner.username': counts('bob'),
  'resourceOwner.password': ignored(from('OTHER')),
  refreshToken: counts(from('OTHER')),
  persist: ignored('state/other'),
  persistKey: ignored(from('OTHER')),
  subject: counts(from('OTHER')),
  subjectTokenType: counts('urn:other'),
  requestedTokenType: counts('urn:other'),
  'actor.token': counts(from('OTHER')),
  'actor.tokenType': counts('urn:other'),
  'subject.sign.key': ignored(from('OTHER')),
  'subject.sign.alg': ignored('PS256'),
  'subject.sign.kid': ignored('other'),
  'subject.sign.issuer': counts('other'),
  'subject.sign.subject': counts('other'),
  'subject.sign.audience': counts(['other']),
  'subject.sign.claims': counts({ scope: 'other' }),
  'subject.sign.lifetime': ignored('6m'),
  // How a caller brings a subject, and for how many it is kept; no store has what is made from it.
  subjectField: ignored('X-Other'),
  maxCallers: ignored(2),
};

/** They decide which other fields there are, or say "caller", which each caller fills in; a certificate counts where the connection has it. */
const APART = [
  'grant',
  'clientAuthentication.method',
  'clientAuthentication.certificate',
  'registration.clientAuthentication.method',
  'certificateBound.certificate',
  'resourceOwner',
];

const SHARED = {
  authorizationServer: 'as',
  clientId: 'c',
  scope: 'a b',
  onMissingScope: 'warn',
  audience: ['x', 'y'],
  resource: ['https://r.example'],
  parameters: { x: '1' },
  headers: { 'x-tenant': 'one' },
  dpop: false,
  certificateBound: false,
  maxSize: '8KiB',
  upstreamFrom: { field: 'instance_url', allow: ['https://a.example'] },
  revokeOnShutdown: false,
  callers: ['app'],
  renew: { before: '30s', hardMargin: '2s', minInterval: '1s', eager: true, idleAfter: '10m', defaultLifetime: '5m', maxLifetime: '24h' },
};

const SERVER = {
  issuer: 'https://as.example',
  metadataUrl: 'https://as.example/metadata.json',
  tokenEndpoint: 'https://as.example/token',
  tokenTypes: ['Bearer'],
  metadataMaxAge: '1h',
  timeout: '10s',
  connectTimeout: '2s',
  revocationEndpoint: 'https://as.example/revocation',
  registrationEndpoint: 'https://as.example/registration',
  initiation: { method: 'POST', url: 'https://as.example/begin', headers: { 'x-key': 'one' }, body: 'begin' },
  tls: { ca: 'pem' },
  proxy: { url: 'http://proxy.example:3128', username: 'us', password: from('X') },
  unsafeHttp: true,
};

const sign = {
  key: from('KEY'),
  alg: 'RS256',
  kid: 'k',
  issuer: 'i',
  subject: 's',
  audience: ['a'],
  claims: { scope: 'x' },
  lifetime: '5m',
};

/** Whole configs: every field of the schema is in one of them. */
const GRANTS: readonly object[] = [
  { grant: 'client_credentials' },
  { grant: 'password', resourceOwner: { username: 'alice', password: from('P') } },
  { grant: 'refresh_token', refreshToken: from('R'), persist: 'state/r', persistKey: from('K') },
  {
    grant: 'token_exchange',
    subject: from('S'),
    subjectTokenType: 'urn:a',
    requestedTokenType: 'urn:b',
    actor: { token: from('A'), tokenType: 'urn:c' },
  },
  { grant: 'jwt_bearer', subject: from('S') },
  { grant: 'jwt_bearer', subject: { sign } },
  { grant: 'saml2_bearer', subject: from('S'), subjectField: 'X-Assertion', maxCallers: 1 },
];

interface Base {
  readonly [key: string]: unknown;
}

interface Client {
  readonly clientAuthentication: Base;
  readonly dpop?: Base;
  readonly certificateBound?: Base;
}

const CLIENTS = ([one = '', another = '']: readonly string[] = certificates): readonly Client[] => [
  { clientAuthentication: { method: 'client_secret_basic', secret: from('C'), encoding: 'form' } },
  { clientAuthentication: { method: 'client_secret_post', secret: from('C') } },
  { clientAuthentication: { method: 'client_secret_jwt', secret: from('C'), alg: 'HS256', audience: 'https://as.example' } },
  { clientAuthentication: { method: 'private_key_jwt', key: from('C'), kid: 'k', certificate: one, audience: 'https://as.example' } },
  { clientAuthentication: { method: 'private_key_jwt', assertion: from('C'), assertionType: 'urn:x' } },
  { clientAuthentication: { method: 'tls_client_auth', certificate: one, key: from('C') } },
  { clientAuthentication: { method: 'self_signed_tls_client_auth', certificate: one, key: from('C') } },
  { clientAuthentication: { method: 'none' } },
  {
    clientAuthentication: { method: 'none' },
    dpop: { alg: 'ES256' },
    certificateBound: { certificate: another, key: from('C') },
  },
];

const PERSIST = { persist: 'state/r', persistKey: from('K') };
const REGISTRATIONS: readonly Base[] = [
  { clientAuthentication: { method: 'client_secret_basic', encoding: 'form' }, initialAccessToken: from('I'), ...PERSIST },
  { clientAuthentication: { method: 'client_secret_post' }, metadata: { software_id: 'one' }, ...PERSIST },
  { clientAuthentication: { method: 'client_secret_jwt', alg: 'HS256', audience: 'https://as.example' }, ...PERSIST },
  { clientAuthentication: { method: 'private_key_jwt', key: from('C'), kid: 'k' }, ...PERSIST },
];

/** A refresh token is for the client that it was issued to: no other is registered for it. */
const REGISTERED = (): readonly Base[] =>
  GRANTS.filter((grant) => !('refreshToken' in grant)).flatMap((grant) =>
    REGISTRATIONS.map((registration) => ({ ...SHARED, clientId: undefined, ...grant, registration, server: structuredClone(SERVER) })),
  );

const BASES = (): readonly Base[] => [
  ...GRANTS.flatMap((grant) => CLIENTS().map((client) => ({ ...SHARED, ...grant, ...client, server: structuredClone(SERVER) }))),
  ...REGISTERED(),
];

function identityOf({ server, ...config }: Base): string {
  return tokenIdentity(token.parse(config) as GrantConfig, authorizationServer.parse(server));
}

interface Schema {
  readonly anyOf?: readonly Schema[];
  readonly oneOf?: readonly Schema[];
  readonly properties?: Readonly<Record<string, Schema>>;
}

/** The paths of all fields below a schema; a reference to a secret is one field. */
function fieldsOf(schema: Schema, path: readonly string[] = []): string[] {
  const below = [...(schema.anyOf ?? []), ...(schema.oneOf ?? [])].flatMap((alternative) => fieldsOf(alternative, path));
  for (const [key, property] of Object.entries(schema.properties ?? {}))
    below.push(...(/^(?:fromEnv|fromFile|unsafeInline)$/.test(key) ? [path.join('.')] : fieldsOf(property, [...path, key])));
  return [...new Set(below.length > 0 ? below : [path.join('.')])];
}

const schemaOf = (schema: z.ZodType) => z.toJSONSchema(schema, { io: 'input', target: 'draft-7' }) as Schema;
const FIELDS = [...new Set([...fieldsOf(schemaOf(token)), ...fieldsOf(schemaOf(authorizationServer), ['server'])])];

function valueAt(base: Base, path: string): unknown {
  return path.split('.').reduce<unknown>((value, key) => (value as Base | undefined)?.[key], base);
}

/** The base with other values at these paths. */
function changed(base: Base, paths: readonly string[]): Base {
  const copy = structuredClone(base);
  for (const path of paths) {
    const keys = path.split('.');
    const holder = keys.slice(0, -1).reduce<Record<string, unknown>>((value, key) => value[key] as Record<string, unknown>, copy);
    holder[keys.at(-1) as string] = VERDICTS[path]?.other;
  }
  return copy;
}

/** What can be changed in a base: not the whole of what has fields of its own. */
const changeable = (base: Base) =>
  Object.keys(VERDICTS).filter((path) => {
    const isWhole = Object.keys(VERDICTS).some((other) => other.startsWith(`${path}.`) && valueAt(base, other) !== undefined);
    return valueAt(base, path) !== undefined && !isWhole;
  });

describe('C01 the identity of a token', () => {
  test('C01 has a verdict about each field that the schema knows, and each is tried', () => {
    expect([...Object.keys(VERDICTS), ...APART].sort()).toEqual([...FIELDS].sort());
    const tried = new Set(BASES().flatMap(changeable));
    expect(Object.keys(VERDICTS).filter((path) => !tried.has(path))).toEqual([]);
  });

  test.each(Object.entries(VERDICTS))('C01 %s: another value is another token only if it counts (%j)', (path, verdict) => {
    for (const base of BASES().filter((one) => changeable(one).includes(path)))
      expect(identityOf(changed(base, [path])) !== identityOf(base)).toBe(verdict.counts);
  });

  test('C01 whatever changes together, the identity differs exactly where one thing differs that counts', () => {
    const pair = fc.constantFrom(...BASES()).chain((base) => {
      const some = fc.subarray(changeable(base));
      return fc.record({ base: fc.constant(base), one: some, other: some });
    });
    const meaning = (paths: readonly string[]) => paths.filter((path) => VERDICTS[path]?.counts).sort();
    fc.assert(
      fc.property(pair, ({ base, one, other }) => {
        const same = JSON.stringify(meaning(one)) === JSON.stringify(meaning(other));
        expect(identityOf(changed(base, one)) === identityOf(changed(base, other))).toBe(same);
      }),
      { numRuns: 1_000 },
    );
  });

  test('C01 each grant and each way to be the client is a token of its own', () => {
    const identities = BASES().map(identityOf);
    // Two ways to make the same kind of proof: a key, or an assertion that others keep.
    expect(new Set(identities).size).toBe(GRANTS.length * (CLIENTS().length - 1) + REGISTERED().length);
  });

  test('C01 a client certificate counts where the connection has it, and not where it only names a key', () => {
    const others = CLIENTS([...certificates].reverse());
    for (const [index, client] of CLIENTS().entries()) {
      const { clientAuthentication, certificateBound } = client;
      if (clientAuthentication['certificate'] === undefined && certificateBound === undefined) continue;
      const isShown = certificateBound !== undefined || String(clientAuthentication['method']).endsWith('tls_client_auth');
      const identityWith = (shown: Client | undefined) => identityOf({ ...SHARED, ...GRANTS[0], ...shown, server: SERVER });
      expect(identityWith(others[index]) !== identityWith(client)).toBe(isShown);
    }
  });
});
