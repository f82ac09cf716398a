import { describe, expect, test } from '@jest/globals';
import { createSelfSigned } from '../helpers/certificates.ts';
import { bent, ENV, type Loose, said, useDirectory, verdict } from './fixture.ts';

const directory = useDirectory();
const PERSIST_KEY = Buffer.alloc(32).toString('base64');

/** What a change to the valid config brings. */
async function judged(bend: (config: Loose) => void, more: Readonly<Record<string, string>> = {}) {
  const { problems, warnings } = await verdict(directory.path('sidecar.config.json'), bent(bend), { env: { ...ENV, ...more }, use: 'dev' });
  return { problems: said(problems), warnings: said(warnings) };
}

const fine = { problems: [], warnings: [] };

describe('"dpop"', () => {
  test('is on, off, or says how proofs are signed', async () => {
    for (const dpop of [true, false, {}, { alg: 'ES256' }, { alg: 'EdDSA' }]) {
      expect(await judged(({ tokens }) => Object.assign(tokens.orders, { dpop }))).toEqual(fine);
    }
    expect((await judged(({ tokens }) => Object.assign(tokens.orders, { dpop: { alg: 'RS256' } }))).problems).toEqual([
      'tokens.orders.dpop.alg must be one of "ES256", "EdDSA"',
    ]);
    expect((await judged(({ tokens }) => Object.assign(tokens.orders, { dpop: 'yes' }))).problems).toHaveLength(1);
  });

  test('is what makes the type DPoP acceptable, and nothing else is', async () => {
    const { problems } = await judged(({ authorizationServers }) =>
      Object.assign(authorizationServers.acme, { tokenTypes: ['Bearer', 'dpop'] }),
    );
    expect(problems).toEqual(['authorizationServers.acme.tokenTypes[1] is accepted for tokens with "dpop", and for no others; remove it']);
  });

  test('has the proof written by the broker alone', async () => {
    expect((await judged(({ tokens }) => Object.assign(tokens.orders, { headers: { DPoP: 'x' } }))).problems).toEqual([
      'tokens.orders.headers.DPoP is set by the broker itself; remove it',
    ]);
    expect((await judged(({ routes }) => Object.assign(routes.orders, { headers: { dpop: 'x' } }))).problems).toEqual([
      'routes.orders.headers.dpop is a field that the broker controls; choose another',
    ]);
  });

  test('leaves its routes no other scheme', async () => {
    const withScheme = (scheme: string) =>
      judged(({ tokens, routes }) => {
        tokens.orders.dpop = true;
        routes.orders.inject = { scheme };
      });
    expect((await withScheme('Bearer')).problems).toEqual([
      'routes.orders.inject.scheme is not "DPoP", as a token with "dpop" must be sent (RFC 9449 §7.1); remove it',
    ]);
    expect(await withScheme('dpop')).toEqual(fine);
  });

  test('goes with the one grant for which the demo knows it', async () => {
    const demo = (token: object) =>
      judged((config) => {
        Object.assign(config, {
          demo: {
            authorizationServer: { name: 'acme', address: '127.0.0.1:0' },
            upstream: { address: '127.0.0.1:0' },
            call: { listener: 'local', caller: 'app', password: { unsafeInline: 'x' }, path: '/orders' },
          },
        });
        Object.assign(config['tokens'].orders, { dpop: true }, token);
      });
    const at = 'tokens.orders.dpop is not known';
    const resourceOwner = { username: 'u', password: { fromEnv: 'CLIENT_SECRET' } };
    expect((await demo({})).problems.filter((line) => line.startsWith(at))).toEqual([]);
    expect((await demo({ grant: 'password', resourceOwner })).problems).toContain(
      `${at} to the demo's password grant; use "client_credentials", or remove it`,
    );
  });

  test('warns of a kept refresh token that the next start could not use', async () => {
    const keeping = (clientAuthentication: object, persistence: object = { persist: 'kept', persistKey: { fromEnv: 'PERSIST_KEY' } }) =>
      judged(
        ({ tokens }) =>
          Object.assign(tokens.orders, {
            grant: 'refresh_token',
            refreshToken: { fromEnv: 'TOKEN' },
            dpop: true,
            clientAuthentication,
            ...persistence,
          }),
        { TOKEN: 'refresh token', PERSIST_KEY },
      );
    expect(await keeping({ secret: { fromEnv: 'CLIENT_SECRET' } })).toEqual(fine);
    expect(await keeping({ method: 'none' }, {})).toEqual(fine);
    expect((await keeping({ method: 'none' })).warnings).toEqual([
      'tokens.orders.persist keeps refresh tokens of a public client, which are bound to the key of this process like the access token (RFC 9449 §5): the next start cannot use them; remove it, or "dpop"',
    ]);
  });
});

describe('"certificateBound"', () => {
  /** What these keys of the token `orders`, and of its route, bring. */
  const bound = async (token: object, route: object = {}, server: object = {}) => {
    const { cert, key } = await createSelfSigned({ commonName: 'orders' });
    return judged(
      ({ tokens, routes, authorizationServers }) => {
        Object.assign(tokens.orders, token);
        Object.assign(routes.orders, route);
        Object.assign(authorizationServers.acme, server);
      },
      { CERT: cert, KEY: key },
    );
  };
  const pair = { certificate: { fromEnv: 'CERT' }, key: { fromEnv: 'KEY' } };
  const byTls = { clientAuthentication: { method: 'tls_client_auth', ...pair } };

  test('goes with a certificate of the client authentication, or one of its own', async () => {
    expect(await bound({ ...byTls, certificateBound: true })).toEqual(fine);
    expect(await bound({ certificateBound: pair })).toEqual(fine);
    expect(await bound({ certificateBound: false })).toEqual(fine);
    expect((await bound({ certificateBound: true })).problems).toEqual([
      'tokens.orders.certificateBound needs a client authentication method with a certificate; or give "certificate" and "key" here',
    ]);
    expect((await bound({ ...byTls, certificateBound: pair })).problems).toEqual([
      'tokens.orders.certificateBound is another certificate beside that of "clientAuthentication", and a connection shows one; use true',
    ]);
  });

  test('needs a key that belongs to the certificate', async () => {
    const { problems } = await bound({
      certificateBound: { ...pair, key: { unsafeInline: (await createSelfSigned({ commonName: 'x' })).key } },
    });
    expect(problems).toEqual([
      'tokens.orders.certificateBound.key does not belong to the certificate in "certificate"; give the key it was issued for',
    ]);
  });

  test('needs TLS on both sides', async () => {
    expect((await bound({ certificateBound: pair }, {}, { issuer: 'http://127.0.0.1:9' })).problems).toEqual([
      'tokens.orders.certificateBound needs TLS, and the authorization server is http; use https there, or remove it',
    ]);
    expect((await bound({ certificateBound: pair }, { upstream: 'http://127.0.0.1:9' })).problems).toEqual([
      'routes.orders.upstream is http, where the certificate that the token is bound to cannot be shown; use https',
    ]);
  });

  test('leaves no room for another certificate towards the upstream', async () => {
    const upstreamTls = { cert: { fromEnv: 'CERT' }, key: { fromEnv: 'KEY' } };
    expect((await bound({ certificateBound: pair }, { upstreamTls })).problems).toEqual([
      'routes.orders.upstreamTls.cert is not what the token is bound to, which is shown instead; remove "cert" and "key"',
    ]);
    expect(await bound(byTls, { upstreamTls })).toEqual(fine);
  });
});
