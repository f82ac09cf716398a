/** A token whose answer names its upstream goes there, and nowhere else. */

import { describe, expect, test } from '@jest/globals';
import { ORDERS_TOKEN, type SceneOptions, startBroker, startScene } from '../helpers/broker.ts';
import { closedAfterEach } from '../helpers/closing.ts';
import { request } from '../helpers/http-client.ts';
import { startRedis } from '../helpers/redis.ts';
import { answerWith, tokenAnswer } from '../helpers/scripted-answers.ts';
import { type Script, type ScriptedServer, startScriptedServer } from '../helpers/scripted-server.ts';

const closed = closedAfterEach();

async function instance(answer: Script = () => answerWith(200, [], 'instance')): Promise<ScriptedServer> {
  const server = closed(await startScriptedServer({ answer }));
  return server;
}

async function scene(allow: readonly string[], options: SceneOptions) {
  const started = closed(
    await startScene({ ...options, tokenConfig: { upstreamFrom: { field: 'instance_url', allow }, ...options.tokenConfig } }),
  );
  return { ...started, get: (path = '/api/x?q=1') => request(`${started.url()}${path}`) };
}

function proofOf([proof = '']: readonly string[]): { htu?: string; nonce?: string; jti?: string } {
  return JSON.parse(Buffer.from(proof.split('.')[1] ?? '', 'base64url').toString()) as object;
}

describe('an upstream that the token answer names', () => {
  test('gets the request with its own Host, under the path of the route; the configured one gets nothing', async () => {
    const named = await instance();
    const { get, origin } = await scene([named.url], { token: () => tokenAnswer({ instance_url: `${named.url}/` }) });
    expect((await get()).text()).toBe('instance');
    expect(named.requests[0]).toMatchObject({ target: '/x?q=1' });
    expect(named.requests[0]?.field('host')).toEqual([new URL(named.url).host]);
    expect(named.requests[0]?.field('authorization')).toEqual(['Bearer scripted-access-token']);
    expect(origin.requests).toHaveLength(0);
  });

  test('has its own addresses mapped back to the listener', async () => {
    const named = await instance(({ target }) =>
      answerWith(302, [`Location: ${target === '/own' ? named.url : 'http://other.example'}/next?a=b`]),
    );
    const { get } = await scene([named.url], { token: () => tokenAnswer({ instance_url: named.url }) });
    expect((await get('/api/own')).field('location')).toBe('/api/next?a=b');
    expect((await get('/api/other')).field('location')).toBe('http://other.example/next?a=b');
  });

  test.each([[{}], [{ instance_url: null }]])('answers with %j leave the configured one', async (members) => {
    const { get, origin } = await scene(['https://*.my.salesforce.com'], { token: () => tokenAnswer(members) });
    expect((await get()).text()).toBe('ok');
    expect(origin.requests).toHaveLength(1);
  });

  test('is refused where it is not on the list: TOKEN_INVALID, nothing sent, the field named and its value not', async () => {
    const { get, origin, logged, log } = await scene(['https://*.my.salesforce.com'], {
      token: () => tokenAnswer({ instance_url: 'https://evil.example/secret-path' }),
    });
    const answer = await get();
    expect([answer.status, answer.json()]).toMatchObject([502, { code: 'TOKEN_INVALID' }]);
    expect(await logged('token not granted')).toMatchObject({
      reason: 'upstream_origin_unacceptable',
      said: expect.stringContaining('"instance_url"'),
    });
    expect(JSON.stringify(log)).not.toMatch(/evil|secret-path|scripted-access-token/);
    expect(origin.requests).toHaveLength(0);
  });

  test('changes with the token: each token goes to its own, also when the first was refused with 401', async () => {
    const [one, two] = [await instance(({ target }) => answerWith(target === '/gone' ? 401 : 200, [], 'one')), await instance()];
    let count = 0;
    const answers = () => {
      count += 1;
      return tokenAnswer({ access_token: `token-${count}`, instance_url: (count === 1 ? one : two).url });
    };
    const { get } = await scene([one.url, two.url], { token: answers, tokenConfig: { renew: { eager: false, minInterval: '1ms' } } });
    expect((await get()).text()).toBe('one');
    // The newer token is for another upstream: this 401 is passed on, and the next request goes there.
    expect((await get('/api/gone')).status).toBe(401);
    expect((await get()).text()).toBe('instance');
    expect(new Set(one.requests.map(({ field }) => field('authorization')[0]))).toEqual(new Set(['Bearer token-1']));
    expect(two.requests.map(({ field }) => field('authorization')[0])).toEqual(['Bearer token-2']);
  });

  test('T17 is what a proof of possession names, and its nonces are kept', async () => {
    const named = await instance(({ field }) =>
      proofOf(field('dpop')).nonce === 'n-1'
        ? answerWith(200, [], 'instance')
        : answerWith(401, ['WWW-Authenticate: DPoP error="use_dpop_nonce"', 'DPoP-Nonce: n-1']),
    );
    const { get } = await scene([named.url], {
      token: () => tokenAnswer({ token_type: 'DPoP', instance_url: named.url }),
      tokenConfig: { dpop: true },
    });
    for (let i = 0; i < 2; i += 1) expect((await get()).text()).toBe('instance');
    const proofs = named.requests.map(({ field }) => proofOf(field('dpop')));
    expect(proofs.map(({ htu }) => htu)).toEqual(Array(3).fill(`${named.url}/x`));
    expect(proofs.map(({ nonce }) => nonce)).toEqual([undefined, 'n-1', 'n-1']);
    expect(new Set(proofs.map(({ jti }) => jti)).size).toBe(3);
  });

  test('T17 keeps its nonces while callers whose tokens name others take turns', async () => {
    const nonced: Script = ({ field }) =>
      proofOf(field('dpop')).nonce === 'n-1'
        ? answerWith(200, [], 'instance')
        : answerWith(401, ['WWW-Authenticate: DPoP error="use_dpop_nonce"', 'DPoP-Nonce: n-1']);
    const named = [await instance(nonced), await instance(nonced)];
    const as = await instance((asked) => {
      const owner = Number(new URLSearchParams(asked.body.toString()).get('username'));
      return tokenAnswer({ token_type: 'DPoP', instance_url: named[owner]?.url });
    });
    const broker = await startBroker({
      listeners: { local: { address: '127.0.0.1:0', authenticate: ['basic-passthrough'] } },
      authorizationServers: { as: { tokenEndpoint: `${as.url}/token` } },
      tokens: {
        orders: {
          authorizationServer: 'as',
          grant: 'password',
          resourceOwner: 'caller',
          clientId: 'orders',
          clientAuthentication: { secret: { unsafeInline: 'orders-secret' } },
          dpop: true,
          upstreamFrom: { field: 'instance_url', allow: named.map(({ url }) => url) },
        },
      },
      routes: { api: { path: '/api', callers: ['basic-passthrough'], token: 'orders', upstream: 'http://127.0.0.1:1' } },
    });
    closed(broker);
    for (let i = 0; i < 6; i += 1) {
      const { status } = await request(`${broker.url()}/api/x`, { user: `${i % 2}:password` });
      expect(status).toBe(200);
    }
    for (const { requests } of named)
      expect(requests.map(({ field }) => proofOf(field('dpop')).nonce)).toEqual([undefined, 'n-1', 'n-1', 'n-1']);
  });

  test('travels through the store with its token, and what was planted there goes nowhere', async () => {
    const named = await instance();
    const evil = await instance();
    const redis = await startRedis({ unheard: true });
    const as = await startScriptedServer({ answer: () => tokenAnswer({ instance_url: named.url }) });
    closed(redis, as);
    const join = async () => {
      const broker = await startBroker({
        authorizationServers: { as: { tokenEndpoint: `${as.url}/token` } },
        tokens: { orders: { ...ORDERS_TOKEN, upstreamFrom: { field: 'instance_url', allow: [named.url] } } },
        routes: { api: { path: '/api', callers: ['anonymous'], token: 'orders', upstream: 'http://127.0.0.1:1' } },
        store: { redis: { ...redis.access }, unsafePlaintext: true },
      });
      closed(broker);
      return () => request(`${broker.url()}/api/x`);
    };
    expect((await (await join())()).text()).toBe('instance');
    expect((await (await join())()).text()).toBe('instance');
    expect(as.requests).toHaveLength(1);
    const [name] = (await redis.command('KEYS', '*')) as [string];
    const entry = (await redis.command('GET', name)) as string;
    await redis.command('SET', name, entry.replace(named.url, evil.url), 'PX', '60000');
    expect((await (await join())()).text()).toBe('instance');
    expect([as.requests.length, evil.requests.length]).toEqual([2, 0]);
  });
});
