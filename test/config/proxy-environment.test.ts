import { generateKeyPairSync } from 'node:crypto';
import { describe, expect, test } from '@jest/globals';
import { bent, ENV, type Loose, useDirectory, validConfig, verdict } from './fixture.ts';

const directory = useDirectory();
const PROXY = 'http://robot:canary@proxy.example:3128';

/** The only warning of its kind that there may be, and where it stands. */
async function warned(env: Record<string, string>, config: Loose = validConfig()): Promise<string | undefined> {
  const { problems, warnings } = await verdict(directory.path('sidecar.config.json'), config, { env: { ...ENV, ...env } });
  expect(problems).toEqual([]);
  expect(JSON.stringify(warnings)).not.toContain('canary');
  const direct = warnings.map(({ path, message }) => `${path} ${message}`).filter((text) => text.includes(' is called directly'));
  expect(direct.length).toBeLessThan(2);
  return direct[0];
}

describe('a proxy that the environment names', () => {
  test('is one warning at the first that is called without it, without its URL', async () => {
    expect(await warned({ HTTPS_PROXY: PROXY })).toBe(
      'authorizationServers.acme is called directly, as is one other: HTTPS_PROXY of the environment is not used; give "proxy" there, or, where direct is right, name the host in NO_PROXY',
    );
  });

  test.each(['HTTPS_PROXY', 'https_proxy', 'ALL_PROXY', 'all_proxy'])('is known by %s', async (variable) => {
    expect(await warned({ [variable]: PROXY })).toContain(`: ${variable} of the environment is not used;`);
  });

  test('is nothing to speak of where it is for http alone, or empty, and all that is called is https', async () => {
    expect(await warned({ HTTP_PROXY: PROXY, http_proxy: PROXY, HTTPS_PROXY: '' })).toBeUndefined();
  });

  test('is spoken of where it is for http, and an upstream is http to another host', async () => {
    const config = bent(({ routes }) => Object.assign(routes.orders, { upstream: 'http://orders.example', unsafeHttp: true }));
    expect(await warned({ http_proxy: PROXY }, config)).toMatch(/^routes\.orders is called directly: http_proxy of the environment /);
  });

  test('is not missed where the config has a proxy of its own', async () => {
    const config = bent(({ authorizationServers, routes }) => {
      authorizationServers.acme.proxy = { url: 'http://proxy.example:3128' };
      routes.orders.proxy = { url: 'http://proxy.example:3128' };
    });
    expect(await warned({ HTTPS_PROXY: PROXY }, config)).toBeUndefined();
    delete config['routes'].orders.proxy;
    expect(await warned({ HTTPS_PROXY: PROXY }, config)).toMatch(/^routes\.orders is called directly: /);
  });

  test('is not missed on the way to this machine, or to a Unix socket', async () => {
    const config = bent(({ authorizationServers, routes }) => {
      authorizationServers.acme.issuer = 'https://127.0.0.1:8443';
      routes.orders.upstreamSocket = '/run/app.sock';
    });
    expect(await warned({ HTTPS_PROXY: PROXY }, config)).toBeUndefined();
  });

  test('is missed on the way to keys of callers, but not where they are given', async () => {
    const config = bent(({ authorizationServers, routes, callers }) => {
      authorizationServers.acme.issuer = 'https://localhost';
      routes.orders.upstream = 'https://localhost';
      routes.orders.callers = ['batch'];
      callers.batch = { jwt: { issuer: 'https://idp.example', audience: 'token-broker', claims: { sub: 'batch' } } };
    });
    config['listeners'].local.authenticate = ['basic', 'jwt'];
    expect(await warned({ HTTPS_PROXY: PROXY }, config)).toMatch(/^callers\.batch\.jwt is called directly: /);
    const { publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
    config['callers'].batch.jwt.keys = publicKey.export({ type: 'spki', format: 'pem' });
    expect(await warned({ HTTPS_PROXY: PROXY }, config)).toBeUndefined();
  });

  const both = 'login.example,orders.example';
  test.each([both, both.replace(',', ' '), '*', '.example', 'example', '*.example', 'EXAMPLE:443', `${both},`])(
    'is not missed by hosts that NO_PROXY=%s names',
    async (list) => {
      expect(await warned({ HTTPS_PROXY: PROXY, NO_PROXY: list })).toBeUndefined();
      expect(await warned({ HTTPS_PROXY: PROXY, no_proxy: list })).toBeUndefined();
    },
  );

  test.each(['', ',', 'ample', 'n.example', 'example:8443', 'login.example.com'])(
    'is missed by hosts that NO_PROXY=%s does not name',
    async (list) => {
      expect(await warned({ HTTPS_PROXY: PROXY, NO_PROXY: list })).toMatch(
        /^authorizationServers\.acme is called directly, as is one other: /,
      );
    },
  );
});
