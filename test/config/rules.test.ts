import { describe, expect, test } from '@jest/globals';
import { bent, type Loose, said, useDirectory, validConfig, verdict } from './fixture.ts';

const directory = useDirectory();
const judge = async (config: Loose, env?: NodeJS.ProcessEnv) => {
  const options = env === undefined ? {} : { env };
  const { problems, warnings } = await verdict(directory.path('sidecar.config.json'), config, options);
  return { problems: said(problems), warnings: said(warnings) };
};

type Bend = Parameters<typeof bent>[0];
/** What a change to the valid config brings, problems and warnings apart. */
const judged = (bend: Bend) => judge(bent(bend));
const fine = { problems: [], warnings: [] };
const TLS = { cert: { fromEnv: 'CERT' }, key: { fromEnv: 'KEY' } };

describe('what callers speak', () => {
  const listener =
    (more: object) =>
    ({ listeners }: Loose) =>
      Object.assign(listeners.local, more);

  test('is HTTP/2 over TLS, or in the clear, as the listener is', async () => {
    expect(await judged(listener({ protocols: ['http/1.1', 'h2c'] }))).toEqual(fine);
    expect((await judged(listener({ protocols: ['http/1.1', 'h2'] }))).problems).toEqual([
      'listeners.local.protocols[1] needs "tls"; give it, or say "h2c" for HTTP/2 in the clear',
    ]);
    expect((await judged(listener({ tls: TLS, protocols: ['h2c'] }))).problems).toContain(
      'listeners.local.protocols[0] stands beside "tls"; say "h2"',
    );
    expect((await judged(listener({ protocols: ['h3'] }))).problems[0]).toContain('is not a protocol that callers can speak');
    expect((await judged(listener({ protocols: [] }))).problems[0]).toContain('is empty');
  });
});

describe('what a listener serves', () => {
  test('is one of what there is', async () => {
    const serving = (serve: string) => judged(({ listeners }) => Object.assign(listeners.local, { serve }));
    expect(await serving('proxy')).toEqual(fine);
    expect((await serving('files')).problems).toEqual([
      expect.stringContaining('listeners.local.serve is not known to be served; use "proxy", "ext-authz" or "token-endpoint"'),
    ]);
  });
});

describe('the way out', () => {
  const route =
    (more: object) =>
    ({ routes }: Loose) =>
      Object.assign(routes.orders, more);

  test('is one: a Unix socket or a proxy', async () => {
    expect(await judged(route({ upstreamSocket: '/run/app.sock' }))).toEqual(fine);
    expect(await judged(route({ proxy: { url: 'http://proxy.example:3128' } }))).toEqual(fine);
    expect((await judged(route({ upstreamSocket: '/run/app.sock', proxy: { url: 'http://proxy.example:3128' } }))).problems).toEqual([
      'routes.orders.proxy stands beside "upstreamSocket", and there is one way to an upstream; remove one of them',
    ]);
  });

  test('over HTTP/2 fits the URL, and has no upgrades; in the clear it has no proxy', async () => {
    const local = { upstream: 'http://127.0.0.1:9000' };
    expect(await judged(route({ upstreamProtocol: 'h2' }))).toEqual(fine);
    expect(await judged(route({ ...local, upstreamProtocol: 'h2c' }))).toEqual(fine);
    expect((await judged(route({ ...local, upstreamProtocol: 'h2' }))).problems).toEqual([
      'routes.orders.upstreamProtocol does not fit "upstream"; say "h2c" for http',
    ]);
    expect((await judged(route({ upstreamProtocol: 'h2c' }))).problems).toEqual([
      'routes.orders.upstreamProtocol does not fit "upstream"; say "h2" for https',
    ]);
    expect((await judged(route({ upstreamProtocol: 'h2', upgrade: true }))).problems[0]).toContain('routes.orders.upgrade needs');
    const proxy = { url: 'http://127.0.0.1:3128' };
    expect(await judged(route({ upstreamProtocol: 'h2', proxy }))).toEqual(fine);
    expect((await judged(route({ ...local, upstreamProtocol: 'h2c', proxy }))).problems[0]).toContain('routes.orders.proxy cannot carry');
  });

  test('in the clear is refused, also where only the proxy is elsewhere', async () => {
    expect(await judged(route({ upstream: 'http://app.example', upstreamSocket: '/run/app.sock' }))).toEqual(fine);
    const local = { upstream: 'http://127.0.0.1:9000' };
    expect(await judged(route({ ...local, proxy: { url: 'http://127.0.0.1:3128' } }))).toEqual(fine);
    expect((await judged(route({ ...local, proxy: { url: 'http://proxy.example:3128' } }))).problems[0]).toContain(
      'routes.orders.upstream is http',
    );
  });

  test.each([
    [{ url: 'https://proxy.example' }, 'proxy.url is https'],
    [{ url: 'http://proxy.example/x' }, 'proxy.url has a path'],
    [{ url: 'http://user:pw@proxy.example' }, 'proxy.url holds a user or password'],
    [{ url: 'http://proxy.example', username: 'broker' }, 'proxy needs "username" and "password" together'],
    [{ url: 'http://proxy.example', username: 'a:b', password: { unsafeInline: 'x' } }, 'proxy.username is not a user name'],
  ])('names a proxy properly: %j', async (proxy, problem) => {
    expect((await judged(route({ proxy }))).problems[0]).toContain(`routes.orders.${problem}`);
    const server = ({ authorizationServers }: Loose) => Object.assign(authorizationServers.acme, { proxy });
    expect((await judged(server)).problems[0]).toContain(`authorizationServers.acme.${problem}`);
  });

  test.each(['run/app.sock', '', `/${'x'.repeat(107)}`])('names a Unix socket by its path: %s', async (upstreamSocket) => {
    expect((await judged(route({ upstreamSocket }))).problems[0]).toContain(
      'routes.orders.upstreamSocket is not the path of a Unix socket',
    );
  });
});

describe('K05 what lowers protection is refused, and with an explicit word warned about', () => {
  test('anonymous callers on an address that is not loopback', async () => {
    const open =
      (more: object) =>
      ({ listeners, routes }: Loose) => {
        listeners.open = { address: '0.0.0.0:8081', authenticate: ['anonymous'], ...more };
        routes.orders.callers.push('anonymous');
      };
    expect(await judged(open({}))).toEqual({
      problems: [
        'listeners.open.authenticate accepts "anonymous" on an address that is not loopback; take it out, listen on 127.0.0.1, or say "unsafeAnonymous": true',
      ],
      warnings: [],
    });
    expect(await judged(open({ unsafeAnonymous: true }))).toEqual({
      problems: [],
      warnings: ['listeners.open.unsafeAnonymous lets everyone who can reach the address in without proof of who they are'],
    });
    for (const address of ['127.0.0.9:0', '[::1]:0', 'localhost:0', 'unix:/run/token-broker.sock'])
      expect(await judged(open({ address }))).toEqual(fine);
  });

  test('passwords without TLS on an address that is not loopback', async () => {
    const wide =
      (more: object) =>
      ({ listeners }: Loose) => {
        listeners.wide = { address: '[::]:8082', authenticate: ['basic'], ...more };
      };
    expect(await judged(wide({}))).toEqual({
      problems: [
        'listeners.wide.address takes passwords without TLS on an address that is not loopback; give "tls", listen on 127.0.0.1, or say "unsafePlaintext": true',
      ],
      warnings: [],
    });
    expect(await judged(wide({ unsafePlaintext: true }))).toEqual({
      problems: [],
      warnings: ['listeners.wide.unsafePlaintext lets passwords travel unencrypted, for all on the way to read'],
    });
    const { problems } = await judged(wide({ tls: TLS }));
    expect(problems.filter((problem) => problem.includes('without TLS'))).toEqual([]);
  });

  test.each(['issuer', 'tokenEndpoint', 'metadataUrl', 'revocationEndpoint', 'registrationEndpoint'])(
    'an authorization server whose %s is http to another host',
    async (key) => {
      const server =
        (url: string, more: object) =>
        ({ authorizationServers }: Loose) => {
          authorizationServers.acme = { issuer: 'https://login.example', [key]: url, ...more };
        };
      expect(await judged(server('http://login.example', {}))).toEqual({
        problems: [
          `authorizationServers.acme.${key} is http to a host that is not loopback, where client secrets travel unencrypted; use https, or say "unsafeHttp": true`,
        ],
        warnings: [],
      });
      expect(await judged(server('http://login.example', { unsafeHttp: true }))).toEqual({
        problems: [],
        warnings: ['authorizationServers.acme.unsafeHttp lets client secrets and tokens travel unencrypted, for all on the way to read'],
      });
      for (const host of ['127.0.0.1:1', '[::1]', 'localhost', 'idp.localhost:8080'])
        expect(await judged(server(`http://${host}`, {}))).toEqual(fine);
      for (const host of ['127.0.0.1.example', 'localhost.example', '128.0.0.1', '[::2]', '0.0.0.0']) {
        expect((await judged(server(`http://${host}`, {}))).problems).toHaveLength(1);
      }
    },
  );

  test('an upstream that is http to another host', async () => {
    const to =
      (upstream: string, more: object) =>
      ({ routes }: Loose) =>
        Object.assign(routes.orders, { upstream, ...more });
    expect(await judged(to('http://orders.example', {}))).toEqual({
      problems: [
        'routes.orders.upstream is http to a host that is not loopback, where the token travels unencrypted; use https, or say "unsafeHttp": true',
      ],
      warnings: [],
    });
    expect(await judged(to('http://orders.example', { unsafeHttp: true }))).toEqual({
      problems: [],
      warnings: ['routes.orders.unsafeHttp lets the token travel unencrypted, for all on the way to read'],
    });
    expect(await judged(to('http://127.0.0.1:3000', {}))).toEqual(fine);
  });

  test('NODE_TLS_REJECT_UNAUTHORIZED=0 in the environment', async () => {
    const env = (value: string) => ({ CLIENT_SECRET: 'x', NODE_TLS_REJECT_UNAUTHORIZED: value });
    expect(await judge(validConfig(), env('0'))).toEqual({
      problems: [
        'the environment has NODE_TLS_REJECT_UNAUTHORIZED=0, which accepts any certificate from any server; unset it, and name the certificates to trust in "tls.ca" or "upstreamTls.ca"',
      ],
      warnings: [],
    });
    expect(await judge(validConfig(), env('1'))).toEqual(fine);
  });

  test('tokens in Redis without encryption', async () => {
    const store = (more: object) => (config: Loose) => {
      config['store'] = { redis: { url: 'rediss://redis.example:6379' }, ...more };
    };
    expect(await judged(store({}))).toEqual({
      problems: ['store needs "encryption.keys", or, for a test, "unsafePlaintext": true'],
      warnings: [],
    });
    const keys = [{ id: 'a', key: { unsafeInline: Buffer.alloc(32).toString('base64') } }];
    expect((await judged(store({ unsafePlaintext: true, encryption: { keys } }))).problems).toEqual([
      'store has "encryption" and "unsafePlaintext"; remove one of them',
    ]);
    expect(await judged(store({ unsafePlaintext: true }))).toEqual({
      problems: [],
      warnings: ['store.unsafePlaintext leaves tokens in Redis unencrypted, for all who can read there'],
    });
  });

  test('a path that looks like a pattern', async () => {
    const { problems, warnings } = await judged(({ routes }) => (routes.orders.path = '/orders/*'));
    expect([problems, warnings]).toEqual([
      [],
      ['routes.orders.path holds a "*", which stands for itself alone; remove it, since what is below a path belongs to it'],
    ]);
  });

  test('an admin address that is not loopback', async () => {
    const admin = (address: string) => (config: Loose) => {
      config['admin'] = { address };
    };
    expect(await judged(admin('0.0.0.0:9099'))).toEqual({
      problems: [
        'admin.address is not loopback, yet can renew, purge and stop; use 127.0.0.1 or a Unix socket ("probes.address" may be open)',
      ],
      warnings: [],
    });
    for (const address of ['127.0.0.1:0', '[::1]:9099', 'unix:/run/admin.sock']) expect(await judged(admin(address))).toEqual(fine);
  });
});

describe('listeners', () => {
  test('with "mtls" need certificates to trust', async () => {
    const mtls = ({ listeners, callers }: Loose) => {
      listeners.local.authenticate = ['mtls', 'basic'];
      callers.app.mtls = { dns: 'app.example' };
    };
    expect((await judged(mtls)).problems).toEqual([
      'listeners.local.authenticate has "mtls" without certificates to trust; give "tls.clientCa"',
    ]);
  });

  test('cannot share an address with one another, the admin or the probes', async () => {
    const at =
      (address: string, more: object = {}) =>
      (config: Loose) => {
        config['listeners'].local.address = address;
        Object.assign(config, more);
      };
    const second = (address: string) => ({
      listeners: { first: { address: '127.0.0.1:8080', authenticate: ['basic'] }, second: { address, authenticate: ['basic'] } },
    });
    expect((await judged(at('127.0.0.1:9099'))).problems).toEqual([
      'listeners.local.address is taken by "admin" already; choose another port or path',
    ]);
    expect((await judged(at('127.0.0.1:8080', { probes: { address: '0.0.0.0:8080' } }))).problems).toEqual([
      'probes.address is taken by "listeners.local" already; choose another port or path',
    ]);
    expect((await judged((config) => Object.assign(config, second('127.0.0.1:8080')))).problems).toEqual([
      'listeners.second.address is taken by "listeners.first" already; choose another port or path',
    ]);
    for (const address of ['127.0.0.1:8081', '[::1]:8080', 'unix:/run/a.sock']) {
      expect((await judged((config) => Object.assign(config, second(address)))).problems).toEqual([]);
    }
    expect(await judged(at('127.0.0.1:0', { admin: { address: '127.0.0.1:0' }, probes: { address: '127.0.0.1:0' } }))).toEqual(fine);
    expect((await judged(at('unix:/run/a.sock', { admin: { address: 'unix:/run/a.sock' } }))).problems).toHaveLength(1);
  });

  test('that let nobody in, or have a mode without a file, are warned about', async () => {
    const warned = await judged(({ listeners, callers }) => {
      listeners.local.mode = '0660';
      callers.app = { mtls: { dns: 'app.example' } };
    });
    expect(warned).toEqual({
      problems: [],
      warnings: [
        'listeners.local.authenticate lets nobody in: no caller has any of these ways; define one under "callers"',
        'listeners.local.mode has no effect; only a Unix socket has an owner and a mode',
      ],
    });
  });
});

describe('callers', () => {
  test('cannot share a user name or a certificate, and cannot be called anonymous', async () => {
    const { problems } = await judged(({ callers, routes }) => {
      const { passwordHash } = callers.app.basic;
      callers.other = { basic: { username: 'app', passwordHash }, mtls: { dns: 'a.example', uri: 'spiffe://a/b' } };
      callers.third = { mtls: { uri: 'spiffe://a/b', dns: 'a.example' } };
      callers.fourth = { mtls: { uri: 'spiffe://a/b' } };
      callers.anonymous = { basic: { passwordHash } };
      routes.orders.callers = ['*'];
    });
    expect(problems).toEqual([
      'callers.other.basic.username is the same user name as that of "callers.app"; each caller needs its own',
      'callers.third.mtls matches the same certificates as "callers.other"; each caller needs its own',
      'callers.anonymous is the name of those who are not authenticated; choose another',
    ]);
  });

  test('that no route lists are warned about', async () => {
    const { problems, warnings } = await judged(({ callers }) => {
      callers.other = callers.app;
    });
    expect(problems).toEqual([]);
    expect(warnings).toEqual(['callers.other may use nothing; list it under "callers" of a route or a token, or remove it']);
  });
});

describe('authorization servers and tokens', () => {
  test('need an issuer where metadata is named, and no query in it', async () => {
    const { problems } = await judged(({ authorizationServers }) => {
      authorizationServers.acme = { metadataUrl: 'https://login.example/m', tokenEndpoint: 'https://login.example/t' };
      authorizationServers.other = { issuer: 'https://login.example/?tenant=a' };
      authorizationServers.empty = {};
    });
    expect(problems).toEqual([
      'authorizationServers.acme.metadataUrl needs "issuer" beside it; the document must name that issuer',
      'authorizationServers.other.issuer holds a query; an issuer identifier has none (RFC 8414 §2)',
      'authorizationServers.empty names no server; give "issuer" or "tokenEndpoint"',
    ]);
  });

  test('that nothing uses are warned about, but not while something is left out', async () => {
    const unused = (config: Loose) => {
      config['authorizationServers'].spare = { issuer: 'https://spare.example' };
      config['tokens'].spare = { ...config['tokens'].orders };
    };
    expect(await judged(unused)).toEqual({
      problems: [],
      warnings: [
        'authorizationServers.spare issues no token; name it in one, or remove it',
        'tokens.spare is used by no route; name it in one, or remove it',
      ],
    });
    const broken = await judged((config) => {
      unused(config);
      config['routes'].orders.path = 'orders';
    });
    expect(broken.warnings).toEqual([]);
  });

  test('must leave a token something to live', async () => {
    const renew = async (settings: object) => (await judged(({ tokens }) => Object.assign(tokens.orders, { renew: settings }))).problems;
    expect(await renew({ before: '10s', hardMargin: '10s' })).toEqual([
      'tokens.orders.renew.hardMargin is not shorter than "before": no token would be usable while it is renewed; make it shorter',
    ]);
    expect(await renew({ hardMargin: '5m' })).toEqual([
      'tokens.orders.renew.hardMargin is not shorter than "maxLifetime" and "defaultLifetime": no token could ever be sent; make it shorter',
    ]);
    expect(await renew({ before: '1h', maxLifetime: '1h' })).toEqual([
      'tokens.orders.renew.before is not shorter than "maxLifetime": every token would be renewed at once; make it shorter',
    ]);
    expect(await renew({ before: '0s', hardMargin: '5s' })).toEqual([]);
    expect(await renew({ before: '30s', hardMargin: '5s' })).toEqual([]);
  });

  test('cannot set fields and parameters of the protocol', async () => {
    const { problems } = await judged(({ tokens }) => {
      Object.assign(tokens.orders, { parameters: { grant_type: 'x' }, headers: { AUTHORIZATION: 'x', 'X-A': '1', 'x-a': '2' } });
    });
    expect(problems).toEqual([
      'tokens.orders.parameters.grant_type is a protocol field; use the key of its own, such as "scope", "audience" or "resourceOwner"',
      'tokens.orders.headers.AUTHORIZATION is set by the broker itself; remove it',
    ]);
  });
});

describe('what else is sent in the clear', () => {
  test('an initiation request to this machine by way of a proxy elsewhere', async () => {
    const by = (proxy: string) =>
      judged(({ authorizationServers }) => {
        Object.assign(authorizationServers.acme, { initiation: { url: 'http://127.0.0.1:9/begin' }, proxy: { url: proxy } });
      });
    expect(await by('http://127.0.0.1:3128')).toEqual(fine);
    expect((await by('http://proxy.example:3128')).problems).toEqual([
      'authorizationServers.acme.initiation.url is http to a host that is not loopback; use https, or say "unsafeHttp": true',
    ]);
  });

  test('an initiation request, or a token to an upstream that its answer names', async () => {
    const exposed =
      (unsafe: object) =>
      ({ authorizationServers, tokens, routes }: Loose) => {
        Object.assign(authorizationServers.acme, { initiation: { url: 'http://login.example/begin' } }, unsafe);
        tokens.orders.upstreamFrom = { field: 'instance_url', allow: ['https://a.example', 'http://*.b.example', 'http://[::1]:1'] };
        Object.assign(routes.orders, unsafe);
      };
    expect((await judged(exposed({}))).problems).toEqual([
      'authorizationServers.acme.initiation.url is http to a host that is not loopback; use https, or say "unsafeHttp": true',
      'tokens.orders.upstreamFrom.allow[1] is http to a host that is not loopback, where the token travels unencrypted; use https, or say "unsafeHttp": true in each route with this token',
    ]);
    expect((await judged(exposed({ unsafeHttp: true }))).problems).toEqual([]);
    const another = (config: Loose) => {
      exposed({ unsafeHttp: true })(config);
      config['routes'].more = { ...config['routes'].orders, path: '/more', unsafeHttp: undefined };
    };
    expect((await judged(another)).problems).toEqual([expect.stringMatching(/^tokens\.orders\.upstreamFrom\.allow\[1\] is http /)]);
  });
});

describe('a client that registers itself', () => {
  const KEY = Buffer.alloc(32, 7).toString('base64');
  const nobody = { clientId: undefined, clientAuthentication: undefined };
  const registering =
    (more: object, token: object = nobody, server: object = {}) =>
    (config: Loose) => {
      Object.assign(config['tokens'].orders, { registration: { persist: 'kept', persistKey: { fromEnv: 'KEY' }, ...more } }, token);
      Object.assign(config['authorizationServers'].acme, server);
    };
  const problemsOf = async (...given: Parameters<typeof registering>) =>
    (await judge(bent(registering(...given)), { CLIENT_SECRET: 's', KEY })).problems;

  test('needs neither id nor secret, and may have neither', async () => {
    expect(await problemsOf({})).toEqual([]);
    expect(await problemsOf({}, {})).toEqual([
      'tokens.orders.clientId comes from the "registration"; remove one of the two',
      'tokens.orders.clientAuthentication stands in "registration" where there is one; move it there',
    ]);
  });

  test('needs to be asked where, when no metadata says so', async () => {
    const tokenEndpoint = 'https://login.example/token';
    expect(await problemsOf({}, nobody, { tokenEndpoint })).toEqual([
      'tokens.orders.registration needs "authorizationServers.acme.registrationEndpoint", since with "tokenEndpoint" no metadata is read',
    ]);
    expect(await problemsOf({}, nobody, { tokenEndpoint, registrationEndpoint: 'https://login.example/register' })).toEqual([]);
  });

  test('has a file of its own: neither another registration nor a refresh token is kept there', async () => {
    const registration = { persist: 'kept', persistKey: { fromEnv: 'KEY' } };
    for (const second of [
      { registration },
      { registration: { ...registration, persist: './kept' } },
      {
        clientId: 'x',
        clientAuthentication: { method: 'none' },
        grant: 'refresh_token',
        refreshToken: { fromEnv: 'CLIENT_SECRET' },
        persist: 'kept',
        persistKey: { fromEnv: 'KEY' },
      },
    ]) {
      const config = bent((draft) => {
        registering({})(draft);
        draft['tokens'].second = { ...draft['tokens'].orders, registration: undefined, ...second };
      });
      expect((await judge(config, { CLIENT_SECRET: 's', KEY })).problems).toEqual([
        expect.stringMatching(/^tokens\.second(?:\.registration)?\.persist is a file that another token uses too; give each its own$/),
      ]);
    }
  });

  test('leaves to the broker what it writes itself', async () => {
    expect(await problemsOf({ metadata: { jwks_uri: 'https://evil.example' } })).toEqual([
      'tokens.orders.registration.metadata.jwks_uri is written by the broker; remove it',
    ]);
  });

  test('is of no use for a refresh token', async () => {
    expect(await problemsOf({}, { ...nobody, grant: 'refresh_token', refreshToken: { fromEnv: 'KEY' } })).toEqual([
      'tokens.orders.registration is of no use: a refresh token is good for the client that it was issued to only',
    ]);
  });
});

describe('tokens that are to be given back', () => {
  const asking =
    (more: object, config: object = {}) =>
    (whole: Loose) => {
      Object.assign(whole['authorizationServers'].acme, more);
      whole['tokens'].orders.revokeOnShutdown = true;
      Object.assign(whole, config);
    };

  test('need to be asked where, when no metadata says so', async () => {
    const tokenEndpoint = 'https://login.example/token';
    expect((await judged(asking({ tokenEndpoint }))).problems).toEqual([
      'tokens.orders.revokeOnShutdown needs "authorizationServers.acme.revocationEndpoint", since with "tokenEndpoint" no metadata is read',
    ]);
    expect(await judged(asking({ tokenEndpoint, revocationEndpoint: 'https://login.example/revoke' }))).toEqual(fine);
    expect(await judged(asking({}))).toEqual(fine);
  });

  test('cannot be those of a shared store', async () => {
    const store = { redis: { url: 'rediss://redis' }, encryption: { keys: [{ id: 'k', key: { fromEnv: 'KEY' } }] } };
    const { problems } = await judge(bent(asking({}, { store })), { CLIENT_SECRET: 's', KEY: Buffer.alloc(32, 7).toString('base64') });
    expect(problems).toEqual([
      'tokens.orders.revokeOnShutdown would end a token that other replicas use, since there is a "store" in Redis; remove it',
    ]);
  });
});

describe('routes', () => {
  test('must name what is defined', async () => {
    const { problems } = await judged(({ routes, tokens }) => {
      Object.assign(routes.orders, {
        callers: ['app', '*', 'anonymous', 'appp', 'toString'],
        token: 'order',
        listeners: ['local', 'loca'],
      });
      tokens.orders.authorizationServer = 'acm';
    });
    expect(problems).toEqual([
      'tokens.orders.authorizationServer names unknown authorization server "acm"; did you mean "acme"?',
      'routes.orders.callers[3] names unknown caller "appp"; did you mean "app"?',
      'routes.orders.callers[4] names unknown caller "toString"; define it under "callers", or correct the name',
      'routes.orders.token names unknown token "order"; did you mean "orders"?',
      'routes.orders.listeners[1] names unknown listener "loca"; did you mean "local"?',
    ]);
  });

  test('that nobody may use are warned about', async () => {
    const { warnings } = await judged(({ routes }) => {
      routes.open = { path: '/open', token: null, upstream: 'https://open.example' };
    });
    expect(warnings).toEqual(['routes.open lists no "callers": nobody may use it']);
  });

  test('cannot set the field of the token a second time, in any case', async () => {
    const headers = (fields: object, more: object = {}) =>
      judged(({ routes }) => Object.assign(routes.orders, { headers: fields, ...more }));
    expect((await headers({ authorization: 'x' })).problems).toEqual([
      'routes.orders.headers.authorization is the field that carries the token; remove it, or choose another "inject.header"',
    ]);
    expect((await headers({ 'x-key': 'x' }, { inject: { header: 'X-Key' } })).problems).toHaveLength(1);
    expect((await headers({ 'X-Key': 'a', 'x-key': 'b' })).problems).toEqual([
      'routes.orders.headers.x-key is there twice, since case does not matter in field names; remove one of the two',
    ]);
    const initiation = { url: 'https://login.example/begin', headers: { 'X-Key': { fromEnv: 'A' }, 'x-key': { fromEnv: 'B' } } };
    const begun = (config: Loose) => Object.assign(config['authorizationServers'].acme, { initiation });
    expect((await judge(bent(begun), { CLIENT_SECRET: 's', A: 'a', B: 'b' })).problems).toEqual([
      'authorizationServers.acme.initiation.headers.x-key is there twice, since case does not matter in field names; remove one of the two',
    ]);
    expect((await headers({ Authorization: 'ApiKey x' }, { token: null })).problems).toEqual([]);
    expect((await headers({ Host: 'x', 'Content-Length': '1' })).problems).toEqual([
      'routes.orders.headers.Host is a field that the broker controls; choose another',
      'routes.orders.headers.Content-Length is a field that the broker controls; choose another',
    ]);
  });

  test('cannot remove what the broker controls: without Via nobody would find a loop', async () => {
    const { problems } = await judged(({ routes }) => Object.assign(routes.orders, { removeHeaders: ['Cookie', 'Via'] }));
    expect(problems).toEqual(['routes.orders.removeHeaders[1] is a field that the broker controls; choose another']);
  });

  test.each([
    ['the same', {}, 1],
    ['another path', { path: '/orders/new' }, 0],
    ['a host of its own', { host: 'API.example' }, 0],
    ['other methods', { methods: ['GET'] }, 0],
    ['a listener of its own', { listeners: ['local'] }, 0],
    ['other callers', { callers: ['other'] }, 0],
    ['every caller', { callers: ['*'] }, 1],
    ['only anonymous callers', { callers: ['anonymous'] }, 0],
    ['no callers', { callers: [] }, 0],
  ])('K02 compete when they differ in nothing: %s', async (_what, change, expected) => {
    const { problems } = await judged(({ routes, callers }) => {
      callers.other = { mtls: { dns: 'other.example' } };
      routes.second = { ...routes.orders, ...change };
    });
    expect(problems).toEqual(
      Array(expected).fill(
        'routes.second takes the same requests of the same caller as "routes.orders"; tell them apart by "path", "host", "methods", "listeners" or "callers"',
      ),
    );
  });

  test('K02 compete when their methods overlap and neither is the narrower', async () => {
    const methods = (one: string[], two: string[]) =>
      judged(({ routes }) => {
        routes.second = { ...routes.orders, methods: two };
        routes.orders.methods = one;
      });
    expect((await methods(['GET', 'POST'], ['POST', 'PUT'])).problems).toHaveLength(1);
    expect((await methods(['GET'], ['HEAD'])).problems).toHaveLength(1);
    expect((await methods(['GET'], ['POST', 'PUT'])).problems).toEqual([]);
  });
});

describe('the store', () => {
  const key = Buffer.alloc(32, 1).toString('base64');
  const store = (url: unknown, keys: object[], env: NodeJS.ProcessEnv = {}) =>
    judge(
      bent((config) => {
        config['store'] = { redis: { url }, encryption: { keys } };
      }),
      { CLIENT_SECRET: 'x', KEY: key, ...env },
    );

  test('needs keys of exactly 32 bytes, each with an id of its own', async () => {
    expect(await store('rediss://r.example', [{ id: 'a', key: { fromEnv: 'KEY' } }])).toEqual(fine);
    const wrong = 'is not base64 of exactly 32 bytes; make one with "openssl rand -base64 32"';
    const { problems } = await store('rediss://r.example', [
      { id: 'a', key: { unsafeInline: key.slice(4) } },
      { id: 'b', key: { unsafeInline: `${key.slice(0, -1)}!` } },
      { id: 'a', key: { fromEnv: 'KEY' } },
    ]);
    expect(problems).toEqual([
      `store.encryption.keys[0].key ${wrong}`,
      `store.encryption.keys[1].key ${wrong}`,
      'store.encryption.keys[2].id is the id of an earlier key; give each its own',
    ]);
  });

  test('takes a Redis URL without a password, or any by reference', async () => {
    const keys = [{ id: 'a', key: { fromEnv: 'KEY' } }];
    const clear = 'is redis:// to a host that is not loopback: its password travels unencrypted; use rediss://';
    expect(await store('redis://127.0.0.1:6379', keys)).toEqual(fine);
    expect(await store('redis://r.example', keys)).toEqual({ problems: [], warnings: [`store.redis.url ${clear}`] });
    expect(await store({ fromEnv: 'URL' }, keys, { URL: 'redis://:canary@r.example' })).toEqual({
      problems: [],
      warnings: [`store.redis.url ${clear}`],
    });
    expect(await store({ fromEnv: 'URL' }, keys, { URL: 'rediss://:canary@r.example' })).toEqual(fine);
    expect((await store('rediss://:canary@r.example', keys)).problems).toEqual([
      'store.redis.url holds a password; give the URL by reference',
    ]);
    expect((await store('http://r.example', keys)).problems).toEqual([
      'store.redis.url is not a Redis URL; write redis://HOST:PORT or rediss://HOST:PORT',
    ]);
  });

  test.each([
    ['rediss://r.example/cache', 'names a database by something else than its number; write such as redis://HOST:PORT/0'],
    ['rediss://:50%-canary@r.example', 'has a "%" in its user name or password that begins no code; write "%25" for it'],
  ])('refuses a Redis URL with which the client could not be made: %s', async (url, wrong) => {
    const keys = [{ id: 'a', key: { fromEnv: 'KEY' } }];
    expect((await store({ fromEnv: 'URL' }, keys, { URL: url })).problems).toEqual([expect.stringContaining(wrong)]);
  });

  test('takes a Redis URL with a database, and with a user name and password in percent-encoding', async () => {
    expect(await store({ fromEnv: 'URL' }, [{ id: 'a', key: { fromEnv: 'KEY' } }], { URL: 'rediss://me:50%25@r.example/2' })).toEqual(fine);
  });

  test('takes one server, a cluster or sentinels, and says what would travel in the clear', async () => {
    const redis = async (of: object) =>
      judge(
        bent((config) => {
          config['store'] = { redis: of, encryption: { keys: [{ id: 'a', key: { fromEnv: 'KEY' } }] } };
        }),
        { CLIENT_SECRET: 'x', KEY: key },
      );
    const nodes = ['r1.example:6379', '[::1]:6379'];
    expect(await redis({ cluster: { nodes }, tls: {} })).toEqual(fine);
    expect(await redis({ cluster: { nodes } })).toEqual({
      problems: [],
      warnings: ['store.redis.cluster goes to a host that is not loopback: its password travels unencrypted; add "tls": {}'],
    });
    expect(await redis({ sentinel: { nodes: ['127.0.0.1:26379'], master: 'm' } })).toEqual(fine);
    expect((await redis({ cluster: { nodes: ['r1.example'] } })).problems).toEqual([
      'store.redis.cluster.nodes[0] is not the address of a server; write host:port or [v6]:port',
    ]);
    const one = ['store.redis must have exactly one of "url", "cluster", "sentinel"'];
    expect((await redis({})).problems).toEqual(one);
    expect((await redis({ url: 'rediss://r.example', cluster: { nodes } })).problems).toEqual(one);
    expect((await redis({ url: 'rediss://alice@r.example', username: 'bob' })).problems).toEqual([
      'store.redis.username stands in "url" too; remove one of them',
    ]);
  });

  test('needs Redis, a snapshot or both, and keys for a snapshot', async () => {
    const of = (entry: object) => judged((config) => (config['store'] = entry));
    const keys = { encryption: { keys: [{ id: 'a', key: { unsafeInline: key } }] } };
    expect((await of({ snapshot: 'tokens', ...keys })).problems).toEqual([]);
    expect((await of(keys)).problems).toEqual(['store needs "redis", "snapshot" or both']);
    expect((await of({ snapshot: 'tokens', unsafePlaintext: true })).problems).toEqual(['store needs "encryption.keys" for "snapshot"']);
    expect((await of({ snapshot: 'no/such/folder', ...keys })).problems).toEqual([
      'store.snapshot lies in a folder that does not exist; create it, or correct the path',
    ]);
  });
});

test.each(['admin', 'probes'])('a listener is not called "%s", like an address of the broker\'s own', async (name) => {
  const { problems } = await judged(({ listeners }) => {
    listeners[name] = listeners.local;
    delete listeners.local;
  });
  expect(problems).toEqual([`listeners.${name} has the name of an address of the broker's own ("${name}"); choose another`]);
});
