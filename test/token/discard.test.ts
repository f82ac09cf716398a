/** Giving tokens back: what a server is sent (RFC 7009), and what becomes of it when it refuses. */

import { generateKeyPairSync } from 'node:crypto';
import type { TLSSocket } from 'node:tls';
import { describe, expect, test } from '@jest/globals';
import { ORDERS_TOKEN, type Scene, type SceneOptions, startScene } from '../helpers/broker.ts';
import { sharedAuthority } from '../helpers/certificates.ts';
import { closedAfterEach } from '../helpers/closing.ts';
import { request } from '../helpers/http-client.ts';
import { answerWith, inTurn, jsonAnswer, metadataAnswer, oauthError, tokenAnswer } from '../helpers/scripted-answers.ts';
import { type Script, startScriptedServer } from '../helpers/scripted-server.ts';

const closed = closedAfterEach();

const TAKEN_BACK = answerWith(200, []);

/** The token endpoint gives tokens, `/revoke` takes them back. */
const server =
  (revoked: () => string | undefined, token = () => tokenAnswer({ refresh_token: 'scripted-refresh-token' })): Script =>
  ({ target }) =>
    target === '/revoke' ? revoked() : token();

async function scene(options: SceneOptions & { readonly revoked?: () => string | undefined } = {}): Promise<Scene> {
  const started = await startScene({
    token: server(options.revoked ?? (() => TAKEN_BACK)),
    ...options,
    tokenConfig: { revokeOnShutdown: true, ...options.tokenConfig },
    serverConfig: { revocationEndpoint: 'http://127.0.0.1:1/', ...options.serverConfig },
  });
  closed(started);
  return started;
}

/** A scene whose server is asked where it is; only then is its address known. */
async function revokingScene(options: SceneOptions & { readonly revoked?: () => string | undefined } = {}) {
  const as = closed(await startScriptedServer({ answer: server(options.revoked ?? (() => TAKEN_BACK)) }));
  const started = await scene({
    ...options,
    serverConfig: { tokenEndpoint: `${as.url}/token`, revocationEndpoint: `${as.url}/revoke`, ...options.serverConfig },
  });
  expect((await request(`${started.url()}/api/x`)).status).toBe(200);
  const revocations = () => as.requests.filter(({ target }) => target === '/revoke');
  return { ...started, as, revocations };
}

const act = (scene: Scene, action: string) =>
  request(`${scene.url('admin')}/tokens/orders/${action}`, { method: 'POST', fields: { 'Token-Broker-Admin': '1' } });
const purge = (scene: Scene) => act(scene, 'purge');
const formOf = ({ body }: { readonly body: Uint8Array }) => Object.fromEntries(new URLSearchParams(Buffer.from(body).toString()));

const PASSWORD = { grant: 'password', resourceOwner: { username: 'u', password: { unsafeInline: 'p' } } };

describe('revocation', () => {
  test('sends the access token with its hint and the client authentication of the token, and its header fields', async () => {
    const started = await revokingScene({ tokenConfig: { headers: { 'X-Api-Key': 'key-1' } } });
    await purge(started);
    const [sent] = started.revocations();
    expect(sent?.method).toBe('POST');
    expect(sent?.field('content-type')).toEqual(['application/x-www-form-urlencoded;charset=UTF-8']);
    expect(sent?.field('authorization')).toEqual([`Basic ${Buffer.from('orders-sidecar:orders-secret').toString('base64')}`]);
    expect(sent?.field('x-api-key')).toEqual(['key-1']);
    expect(formOf(sent as never)).toEqual({ token: 'scripted-access-token', token_type_hint: 'access_token' });
    expect(started.revocations()).toHaveLength(1);
    expect(await started.logged('token revoked')).toMatchObject({ token: 'orders', fingerprint: expect.stringMatching(/^[0-9a-f]{8}$/) });
  });

  test('sends the refresh token that the password grant holds, which then is not used again', async () => {
    const started = await revokingScene({
      tokenConfig: { ...PASSWORD, clientAuthentication: { method: 'client_secret_post', secret: { unsafeInline: 'orders-secret' } } },
    });
    await purge(started);
    expect(started.revocations().map(formOf)).toEqual(
      expect.arrayContaining([
        { token: 'scripted-refresh-token', token_type_hint: 'refresh_token', client_id: 'orders-sidecar', client_secret: 'orders-secret' },
        { token: 'scripted-access-token', token_type_hint: 'access_token', client_id: 'orders-sidecar', client_secret: 'orders-secret' },
      ]),
    );
    await request(`${started.url()}/api/x`);
    expect(formOf(started.as.requests.at(-1) as never)['grant_type']).toBe('password');
  });

  test('sends a refresh token once, also where it is being used, and forgets it', async () => {
    const renewed = Promise.withResolvers<string>();
    const token = inTurn(tokenAnswer({ refresh_token: 'one' }), () => renewed.promise, tokenAnswer());
    const as = closed(await startScriptedServer({ answer: (...asked) => (asked[0].target === '/revoke' ? TAKEN_BACK : token(...asked)) }));
    const started = await scene({
      tokenConfig: { ...PASSWORD, renew: { eager: false, minInterval: '1ms' } },
      serverConfig: { tokenEndpoint: `${as.url}/token`, revocationEndpoint: `${as.url}/revoke` },
    });
    await request(`${started.url()}/api/x`);
    const renewal = act(started, 'renew');
    await as.untilRequests(2);
    await act(started, 'purge');
    renewed.resolve(tokenAnswer({ access_token: 'too-late' }));
    expect((await renewal).status).toBe(200);
    await as.until(({ requests }) => requests.some((sent) => formOf(sent)['token'] === 'too-late'));
    const forms = as.requests.map(formOf);
    expect(forms.filter(({ token_type_hint: hint }) => hint === 'refresh_token')).toMatchObject([{ token: 'one' }]);
    expect(forms.flatMap(({ grant_type: grant }) => grant ?? [])).toEqual(['password', 'refresh_token', 'password']);
  });

  test('with a signed assertion the second token has an assertion of its own', async () => {
    const key = generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey.export({ type: 'pkcs8', format: 'pem' }).toString();
    const started = await revokingScene({
      tokenConfig: { ...PASSWORD, clientAuthentication: { method: 'private_key_jwt', key: { unsafeInline: key } } },
    });
    await purge(started);
    const assertions = started.as.requests.map((sent) => formOf(sent)['client_assertion']);
    expect(new Set(assertions).size).toBe(3);
  });

  test('that fails again and again stops no token request, and is left alone itself', async () => {
    const as = closed(await startScriptedServer({ answer: server(() => answerWith(503, [])) }));
    const names = Array.from({ length: 8 }, (_, index) => `t${index}`);
    const config = {
      authorizationServers: { as: { tokenEndpoint: `${as.url}/token`, revocationEndpoint: `${as.url}/revoke` } },
      tokens: Object.fromEntries(names.map((name) => [name, { ...ORDERS_TOKEN, revokeOnShutdown: true }])),
      routes: Object.fromEntries(
        names.map((name) => [name, { path: `/${name}`, callers: ['anonymous'], token: name, upstream: 'http://127.0.0.1:1' }]),
      ),
    };
    const started = closed(await startScene({ config }));
    const granted = () => as.requests.filter(({ target }) => target === '/token').length;
    for (const name of names) await request(`${started.url()}/${name}`);
    expect(granted()).toBe(8);
    for (const name of names)
      await request(`${started.url('admin')}/tokens/${name}/purge`, { method: 'POST', fields: { 'Token-Broker-Admin': '1' } });
    expect(as.requests.filter(({ target }) => target === '/revoke')).toHaveLength(5);
    for (const name of names) await request(`${started.url()}/${name}`);
    expect(granted()).toBe(16);
  });

  test('begins with the secret that the token came by, and tries the next where that is refused by then', async () => {
    const secrets = [{ unsafeInline: 'old' }, { unsafeInline: 'new' }];
    const basic = (secret: string) => `Basic ${Buffer.from(`orders-sidecar:${secret}`).toString('base64')}`;
    let good = 'new';
    const as = await startScriptedServer({
      answer: ({ target, field }) => {
        if (field('authorization')[0] !== basic(good)) return oauthError('invalid_client', 401);
        return target === '/revoke' ? TAKEN_BACK : tokenAnswer();
      },
    });
    closed(as);
    const started = await scene({
      tokenConfig: { clientAuthentication: { secret: secrets } },
      serverConfig: { tokenEndpoint: `${as.url}/token`, revocationEndpoint: `${as.url}/revoke` },
    });
    for (good of ['new', 'old']) {
      await request(`${started.url()}/api/x`);
      if (good === 'old') good = 'new';
      await purge(started);
    }
    expect(as.requests.map(({ target, field }) => [target, field('authorization')[0]])).toEqual([
      ['/token', basic('old')],
      ['/token', basic('new')],
      ['/revoke', basic('new')],
      ['/token', basic('new')],
      ['/token', basic('old')],
      ['/revoke', basic('old')],
      ['/revoke', basic('new')],
    ]);
    expect(started.log.filter(({ msg }) => msg === 'token revoked')).toHaveLength(2);
  });

  test('goes to the endpoint that the metadata names, unless the config names another', async () => {
    for (const configured of [false, true]) {
      const as = await startScriptedServer({
        answer: ({ target }) => {
          if (target.startsWith('/.well-known/')) return metadataAnswer(as.url, { revocation_endpoint: `${as.url}/found` });
          return target === '/token' ? tokenAnswer() : TAKEN_BACK;
        },
      });
      closed(as);
      const started = await scene({
        serverConfig: { tokenEndpoint: undefined, issuer: as.url, revocationEndpoint: configured ? `${as.url}/configured` : undefined },
      });
      await request(`${started.url()}/api/x`);
      await purge(started);
      expect(as.requests.at(-1)?.target).toBe(configured ? '/configured' : '/found');
    }
  });

  test('goes to the mTLS alias with the client certificate of the token', async () => {
    const authority = await sharedAuthority();
    const [{ cert, key }, client] = await Promise.all([authority.issueServer(), authority.issueClient({ commonName: 'orders' })]);
    const as = await startScriptedServer({
      tls: { cert, key, ca: authority.certificate, requestCert: true, rejectUnauthorized: false },
      answer: ({ target }, { socket }) => {
        if (target === '/token') return tokenAnswer();
        if (target === '/mtls/revoke' && (socket as TLSSocket).authorized) return TAKEN_BACK;
        if (!target.startsWith('/.well-known/')) return oauthError('invalid_client', 401);
        const aliases = { mtls_endpoint_aliases: { revocation_endpoint: `${as.url}/mtls/revoke` } };
        return metadataAnswer(as.url, { revocation_endpoint: `${as.url}/revoke`, ...aliases });
      },
    });
    closed(as);
    const started = await scene({
      tokenConfig: {
        clientAuthentication: { method: 'tls_client_auth', certificate: client.cert, key: { unsafeInline: client.key } },
      },
      serverConfig: { tokenEndpoint: undefined, revocationEndpoint: undefined, issuer: as.url, tls: { ca: authority.certificate } },
    });
    await request(`${started.url()}/api/x`);
    await purge(started);
    await started.logged('token revoked');
    expect(formOf(as.requests.at(-1) as never)).toMatchObject({ client_id: 'orders-sidecar' });
  });

  test('a server without the endpoint, or with one that must not be used, is one warning', async () => {
    for (const endpoint of [undefined, 'http://revoke.example/']) {
      const as = await startScriptedServer({
        answer: ({ target }) => (target === '/token' ? tokenAnswer() : metadataAnswer(as.url, { revocation_endpoint: endpoint })),
      });
      closed(as);
      const started = await scene({ serverConfig: { tokenEndpoint: undefined, revocationEndpoint: undefined, issuer: as.url } });
      await request(`${started.url()}/api/x`);
      await purge(started);
      expect(await started.logged('token not revoked: good until it ends')).toMatchObject({ reason: 'revocation_endpoint_missing' });
    }
  });

  test('what the server refuses is one warning without a secret, and the token is gone here all the same', async () => {
    const started = await revokingScene({
      revoked: () => jsonAnswer(400, { error: 'unsupported_token_type', error_description: 'not scripted-access-token, orders-secret' }),
    });
    expect((await purge(started)).json()).toMatchObject({ token: 'orders', state: 'none' });
    const lines = started.log.filter(({ msg }) => msg === 'token not revoked: good until it ends');
    expect(lines).toMatchObject([
      { level: 'warn', token: 'orders', reason: 'unsupported_token_type', said: expect.stringContaining('[secret]') },
    ]);
    expect(JSON.stringify(started.log)).not.toMatch(/scripted-access-token|orders-secret/);
  });

  test('a token that does not ask for it is dropped and not sent anywhere', async () => {
    const started = await revokingScene({ tokenConfig: { revokeOnShutdown: false } });
    await purge(started);
    expect(started.as.requests.map(({ target }) => target)).toEqual(['/token']);
  });
});
