/** Tokens made from a token or an assertion that the caller brings. */

import { afterEach, describe, expect, test } from '@jest/globals';
import { type Scene, secretHash, startScene } from '../helpers/broker.ts';
import { createCanaries } from '../helpers/canaries.ts';
import { sharedAuthority } from '../helpers/certificates.ts';
import { type Answer, request } from '../helpers/http-client.ts';
import { answerWith, oauthError, tokenAnswer } from '../helpers/scripted-answers.ts';
import type { ScriptedRequest } from '../helpers/scripted-server.ts';

let scene: Scene;
afterEach(() => scene.close());

const canaries = createCanaries();
const plant = (name: string) => canaries.plant(name, { plain: true });
const formOf = (asked: ScriptedRequest) => new URLSearchParams(asked.body.toString());

/** The token that it gives says for whom; whatever holds `refused` is so, with `error`. */
const server =
  (error = 'invalid_grant') =>
  (asked: ScriptedRequest): string => {
    const form = formOf(asked);
    const subject = form.get('subject_token') ?? form.get('assertion') ?? '';
    return subject.includes('refused') ? oauthError(error) : tokenAnswer({ access_token: `for-${subject}` });
  };

const EXCHANGE = { grant: 'token_exchange', subject: 'caller' };

async function start(tokenConfig: Record<string, unknown>, more: Parameters<typeof startScene>[0] = {}): Promise<void> {
  scene = await startScene({ token: server(), tokenConfig, ...more });
}

const call = (fields: Record<string, string> = {}): Promise<Answer> => request(`${scene.url()}/api/x`, { fields });
const bearing = (token: string) => call({ authorization: `Bearer ${token}` });
const sentUpstream = () => scene.origin.requests.map((asked) => asked.field('authorization')[0]);
const asked = () => scene.authorizationServer.requests.length;

function jwt(claims: object): string {
  return [{ alg: 'ES256' }, claims, 'signature'].map((part) => Buffer.from(JSON.stringify(part)).toString('base64url')).join('.');
}

describe('the subject "caller"', () => {
  test('C02 many requests of several callers at once: each goes out with what its own token was exchanged for', async () => {
    await start(EXCHANGE);
    const subjects = Array.from({ length: 5 }, (_, index) => plant(`subject-${index}`));
    await Promise.all(
      Array.from({ length: 100 }, (_, index) => {
        const subject = subjects[index % 5];
        return request(`${scene.url()}/api/${subject}`, { fields: { authorization: `bearer ${subject}` } });
      }),
    );
    expect(sentUpstream()).toEqual(scene.origin.requests.map(({ target }) => `Bearer for-${target.slice(1)}`));
    expect(asked()).toBe(5);
  });

  test('without a token it is 401 with a Bearer challenge, and nothing is asked', async () => {
    await start(EXCHANGE);
    for (const answer of [await call(), await call({ authorization: 'Basic YTpi' }), await call({ authorization: 'Bearer a b' })]) {
      expect([answer.status, answer.field('www-authenticate')]).toEqual([401, 'Bearer realm="token-broker"']);
      expect(answer.json()).toMatchObject({ code: 'CALLER_UNAUTHENTICATED', detail: expect.stringContaining('Bearer') });
    }
    expect([asked(), scene.origin.requests.length]).toEqual([0, 0]);
  });

  test.each([
    ['token_exchange', {}, 'invalid_grant', 401],
    ['token_exchange', {}, 'invalid_request', 401],
    ['token_exchange', {}, 'invalid_target', 502],
    ['token_exchange', {}, 'invalid_client', 502],
    ['token_exchange', { actor: { token: { unsafeInline: 'the-actor' } } }, 'invalid_request', 502],
    ['token_exchange', { actor: { token: { unsafeInline: 'the-actor' } } }, 'invalid_grant', 401],
    ['jwt_bearer', {}, 'invalid_grant', 401],
    ['jwt_bearer', {}, 'invalid_request', 502],
    ['jwt_bearer', {}, 'temporarily_unavailable', 503],
  ])("T11 %s with %j: %s is the caller's own affair or not: %d", async (grant, more, error, status) => {
    await start({ grant, subject: 'caller', ...more }, { token: server(error) });
    const answer = await bearing('a.refused.token');
    expect(answer.status).toBe(status);
    expect(answer.field('www-authenticate')).toBe(status === 401 ? 'Bearer realm="token-broker", error="invalid_token"' : undefined);
  });

  test('a refused one is not sent again at once, and others are not held up by it', async () => {
    await start(EXCHANGE);
    const answers = await Promise.all(Array.from({ length: 10 }, () => bearing('refused')));
    expect(new Set(answers.map(({ status }) => status))).toEqual(new Set([401]));
    expect((await bearing('refused')).status).toBe(401);
    expect(asked()).toBe(1);
    expect((await bearing('good')).status).toBe(200);
  });

  test('T03 one that has ended is not sent, and nothing made from one outlives it', async () => {
    await start({ ...EXCHANGE, grant: 'jwt_bearer' });
    const ended = await bearing(jwt({ exp: Date.now() / 1000 - 1 }));
    expect([ended.status, asked()]).toEqual([401, 0]);
    expect((await bearing(jwt({ exp: Math.floor(Date.now() / 1000) + 100 }))).status).toBe(200);
    expect((await scene.logged('token granted'))['lifetimeSeconds']).toBeLessThanOrEqual(100);
  });

  test('a SAML assertion comes in a field, in either base64, is sent in base64url, and goes no further', async () => {
    await start({ grant: 'saml2_bearer', subject: 'caller', subjectField: 'X-SAML-Assertion' });
    const xml = `<Assertion>${plant('assertion')}\u00ff\u00fe??>></Assertion>`;
    const base64 = Buffer.from(xml).toString('base64');
    const base64url = Buffer.from(xml).toString('base64url');
    expect(base64).not.toBe(base64url);
    for (const [name, value] of [
      ['X-SAML-Assertion', base64],
      ['x-saml-assertion', base64url],
    ] as const) {
      expect((await call({ [name]: value, X_Saml_Assertion: value, authorization: 'Bearer of-the-application' })).status).toBe(200);
    }
    expect(asked()).toBe(1);
    expect(formOf(scene.authorizationServer.requests[0] as ScriptedRequest).get('assertion')).toBe(base64url);
    const head = scene.origin
      .received()
      .toString()
      .replaceAll(/^authorization: Bearer for-.*$/gim, '');
    expect(head).not.toMatch(/assertion/i);
    expect(head).not.toContain('of-the-application');
    expect(canaries.find(head)).toEqual([]);
    expect(canaries.find(JSON.stringify(scene.log))).toEqual([]);
  });

  test.each([
    ['none', {}],
    ['an empty one', { 'X-SAML-Assertion': '' }],
    ['one that is not base64', { 'X-SAML-Assertion': '<Assertion/>' }],
    ['one that is not UTF-8', { 'X-SAML-Assertion': Buffer.from([0x3c, 0xff]).toString('base64') }],
    ['two', { 'X-SAML-Assertion': ['PEE+', 'PEE+'] }],
    ['one in another spelling', { X_SAML_Assertion: 'PEE+' }],
  ])('where the field is named and holds %s, the answer says what is missing', async (_what, fields) => {
    await start({ grant: 'saml2_bearer', subject: 'caller', subjectField: 'X-SAML-Assertion' });
    const answer = await request(`${scene.url()}/api/x`, { fields });
    expect([answer.status, answer.field('www-authenticate')]).toEqual([401, 'Field realm="token-broker", name="X-SAML-Assertion"']);
    expect(answer.json()).toMatchObject({ detail: expect.stringContaining('"X-SAML-Assertion"') });
    expect(asked()).toBe(0);
  });

  test('a caller known by its password brings the subject in a field, and neither reaches the other side', async () => {
    const subject = plant('subject');
    await start(
      { ...EXCHANGE, subjectField: 'X-Subject' },
      {
        route: { callers: ['billing'] },
        config: {
          listeners: { local: { address: '127.0.0.1:0', authenticate: ['basic'] } },
          callers: { billing: { basic: { passwordHash: await secretHash() } } },
        },
      },
    );
    const answer = await request(`${scene.url()}/api/x`, { user: 'billing:secret', fields: { 'X-Subject': subject } });
    expect(answer.status).toBe(200);
    expect((await request(`${scene.url()}/api/x`, { user: 'billing:wrong', fields: { 'X-Subject': subject } })).status).toBe(401);
    expect(scene.authorizationServer.received().toString()).not.toContain(Buffer.from('billing:secret').toString('base64'));
    expect(scene.origin.requests[0]?.field('x-subject')).toEqual([]);
    expect(sentUpstream()).toEqual([`Bearer for-${subject}`]);
  });

  test('a caller known by its certificate brings a bearer token, at a listener that takes passwords too', async () => {
    const authority = await sharedAuthority();
    const server = await authority.issueServer();
    await start(EXCHANGE, {
      route: { callers: ['reports'] },
      files: { 'server.key': server.key },
      config: {
        listeners: {
          local: {
            address: '127.0.0.1:0',
            authenticate: ['mtls', 'basic'],
            tls: { cert: server.cert, key: { fromFile: 'server.key' }, clientCa: authority.certificate },
          },
        },
        callers: { reports: { mtls: { uri: 'spiffe://acme.example/reports' } } },
      },
    });
    const tls = { ...(await authority.issueClient({ uri: ['spiffe://acme.example/reports'] })), ca: authority.certificate };
    const fields = { authorization: 'Bearer of-the-user' };
    expect((await request(`${scene.url()}/api/x`, { fields, tls })).status).toBe(200);
    expect(sentUpstream()).toEqual(['Bearer for-of-the-user']);
    expect((await request(`${scene.url()}/api/x`, { fields, tls: { ca: authority.certificate } })).status).toBe(401);
    expect(asked()).toBe(1);
  });

  test('U07 a token that the upstream refuses is renewed for its caller alone', async () => {
    let count = 0;
    const refusedOnce = new Set<string>();
    await start(EXCHANGE, {
      token: (request_) => tokenAnswer({ access_token: `${formOf(request_).get('subject_token')}-${++count}` }),
      origin: (request_) => {
        const token = request_.field('authorization')[0] ?? '';
        if (!token.includes('alice') || refusedOnce.size > 0) return answerWith(200, []);
        refusedOnce.add(token);
        return answerWith(401, ['WWW-Authenticate: Bearer']);
      },
    });
    await bearing('bob');
    expect((await bearing('alice')).status).toBe(200);
    await bearing('bob');
    expect(sentUpstream()).toEqual(['Bearer bob-1', 'Bearer alice-2', 'Bearer alice-3', 'Bearer bob-1']);
  });
});
