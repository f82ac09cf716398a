/**
 * The attack: as in secrets-in-output, somebody collects what the broker says. Here it is after secrets that stand in no config: those a
 * server gives in confidence (a registered client, rotated refresh tokens), and keys that the broker makes itself.
 */

import { generateKeyPairSync, randomBytes } from 'node:crypto';
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { inspect } from 'node:util';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { systemClock } from '../../src/clock.ts';
import { loadConfig } from '../../src/config/load.ts';
import { Tokens } from '../../src/token/tokens.ts';
import { UNOBSERVED } from '../../src/token/unobserved.ts';
import { run } from '../cli/run.ts';
import { type BrokerProcess, startBrokerProcess } from '../helpers/broker-process.ts';
import { type Canaries, createCanaries } from '../helpers/canaries.ts';
import { request } from '../helpers/http-client.ts';
import { answerWith, jsonAnswer, tokenAnswer } from '../helpers/scripted-answers.ts';
import { type ScriptedRequest, type ScriptedServer, startScriptedServer } from '../helpers/scripted-server.ts';

/** Notes the private part of each key that the process makes, as only the process itself can. */
const KEY_LOGGER = `
import crypto from 'node:crypto';
import { appendFileSync } from 'node:fs';
import { syncBuiltinESMExports } from 'node:module';
const make = crypto.generateKeyPairSync;
crypto.generateKeyPairSync = (...kind) => {
  const pair = make(...kind);
  appendFileSync('made-keys', pair.privateKey.export({ format: 'jwk' }).d + '\\n');
  return pair;
};
syncBuiltinESMExports();
`;

type Answer = (asked: ScriptedRequest) => string;
type Endpoint = 'session' | 'register' | 'token' | 'revoke';

/** How a server misbehaves, at which of its endpoints; it is fine at the others. Each echoes what it was sent. */
const BEHAVIOURS: Record<string, Partial<Record<Endpoint, Answer>>> = {
  good: {},
  keeping: { revoke: (asked) => jsonAnswer(400, { error: 'unsupported_token_type', error_description: echo(asked) }) },
  closed: { session: (asked) => answerWith(500, [`X-Echo: ${asked.field('x-session-key')[0]}`], echo(asked)) },
  unwelcoming: { register: (asked) => jsonAnswer(403, { error: 'access_denied', error_description: echo(asked), ...givenClient }) },
  refusing: { register: (asked) => answerWith(500, [], echo(asked)) },
  failing: { token: (asked) => answerWith(503, [], echo(asked)) },
  anonymous: { register: () => jsonAnswer(201, { ...givenClient, client_id: undefined }) },
  contrary: {
    register: () => jsonAnswer(201, { ...givenClient, token_endpoint_auth_method: 'none', error_description: givenClient.client_secret }),
  },
  forgetful: {
    token: (asked) => jsonAnswer(401, { error: 'invalid_client', error_description: `${echo(asked)} ${rotated}`, refresh_token: rotated }),
  },
  mistyping: { token: () => tokenAnswer({ ...answered(), token_type: 'mac' }) },
  talkative: {
    token: () =>
      tokenAnswer({
        ...answered(),
        scope: `read ${accessToken} ${rotated} ${givenClient.client_secret}`,
        client_secret: givenClient.client_secret,
      }),
  },
  misleading: { token: () => tokenAnswer({ ...answered(), instance_url: `https://user:${inOrigin}@elsewhere.example/` }) },
};

function echo(asked: ScriptedRequest): string {
  const basic = asked.field('authorization')[0]?.split(' ')[1] ?? '';
  const decoded = Buffer.from(basic, 'base64').toString();
  return `${asked.field('dpop')[0]} beside ${asked.body} and ${basic} meaning ${decoded} or ${decodeURIComponent(decoded.replaceAll('+', ' '))}`;
}

const answered = () => ({ access_token: accessToken, refresh_token: rotated, token_type: 'Bearer' });
const isDpop = (asked: ScriptedRequest) => asked.field('dpop').length > 0;

const GOOD: Record<Endpoint, Answer> = {
  session: () => answerWith(204, []),
  register: () => jsonAnswer(201, givenClient),
  revoke: () => answerWith(200, []),
  token: (asked) => tokenAnswer({ ...answered(), instance_url: origin.url, ...(isDpop(asked) && { token_type: 'DPoP' }) }),
};

const persistKey = { fromEnv: 'PERSIST_KEY' };
const registration = (name: string, more: object = {}) => ({
  grant: 'client_credentials',
  registration: { initialAccessToken: { unsafeInline: initialAccessToken }, persist: `kept-${name}`, persistKey, ...more },
});
const client = { clientId: 'the-client', clientAuthentication: { secret: { unsafeInline: 'the-client-secret' } } };

/** The kinds of tokens, each with the keys of its own; names end in what they are. */
const KINDS: Record<string, (name: string) => Record<string, unknown>> = {
  registered: (name) => registration(name),
  signing: (name) => registration(name, { clientAuthentication: { method: 'private_key_jwt', key: { unsafeInline: signingKey } } }),
  refreshing: (name) => ({
    ...client,
    grant: 'refresh_token',
    refreshToken: { unsafeInline: `${name}-${firstRefreshToken}` },
    persist: `kept-${name}`,
    persistKey,
  }),
  owned: () => ({ ...client, grant: 'password', resourceOwner: { username: 'owner', password: { unsafeInline: ownerPassword } } }),
  bound: () => ({ ...client, grant: 'client_credentials', dpop: true }),
  directed: () => ({
    ...client,
    grant: 'client_credentials',
    upstreamFrom: { field: 'instance_url', allow: ['https://*.api.example', origin.url] },
  }),
};

let canaries: Canaries;
let accessToken: string;
let rotated: string;
let firstRefreshToken: string;
let initialAccessToken: string;
let ownerPassword: string;
let inOrigin: string;
let givenClient: Record<'client_id' | 'client_secret' | 'registration_access_token', string>;
let signingKey: string;
let authorizationServer: ScriptedServer;
let origin: ScriptedServer;
let broker: BrokerProcess;
let env: Record<string, string>;
/** All that callers and whoever asks the admin address were shown. */
let shown = '';

const names = Object.keys(BEHAVIOURS).flatMap((behaviour) =>
  Object.keys(KINDS).map((kind) => ({ behaviour, kind, name: `${behaviour}-${kind}` })),
);

function config(): Record<string, unknown> {
  const at = (behaviour: string, endpoint: string) => `${authorizationServer.url}/${behaviour}/${endpoint}`;
  const server = (behaviour: string) => ({
    tokenEndpoint: at(behaviour, 'token'),
    registrationEndpoint: at(behaviour, 'register'),
    revocationEndpoint: at(behaviour, 'revoke'),
    initiation: {
      method: 'POST',
      url: at(behaviour, 'session'),
      headers: { 'X-Session-Key': { fromEnv: 'SESSION_KEY' } },
      body: { fromEnv: 'SESSION_BODY' },
    },
  });
  return {
    log: { level: 'trace' },
    listeners: { local: { address: '127.0.0.1:0', authenticate: ['anonymous'] } },
    authorizationServers: Object.fromEntries(Object.keys(BEHAVIOURS).map((behaviour) => [behaviour, server(behaviour)])),
    tokens: Object.fromEntries(
      names.map(({ behaviour, kind, name }) => [name, { authorizationServer: behaviour, revokeOnShutdown: true, ...KINDS[kind]?.(name) }]),
    ),
    routes: Object.fromEntries(
      names.map(({ name }) => [name, { path: `/${name}`, callers: ['anonymous'], token: name, upstream: origin.url }]),
    ),
  };
}

async function call(url: string): Promise<number> {
  const answer = await request(url);
  shown += `${answer.status} ${answer.fields.join('\n')}\n${answer.text()}\n`;
  return answer.status;
}

/** Asks the admin address as a program may. */
async function administer(path: string, method = 'POST'): Promise<string> {
  const answer = await fetch(broker.url('admin') + path, { method, headers: { 'Token-Broker-Admin': '1' } });
  const text = await answer.text();
  shown += `${answer.status} ${JSON.stringify([...answer.headers])} ${text}\n`;
  return text;
}

beforeAll(async () => {
  canaries = createCanaries();
  accessToken = canaries.plant('access-token', { plain: true });
  rotated = canaries.plant('rotated-refresh-token');
  firstRefreshToken = canaries.plant('first-refresh-token');
  initialAccessToken = canaries.plant('initial-access-token', { plain: true });
  ownerPassword = canaries.plant('owner-password');
  inOrigin = canaries.plant('in-an-origin', { plain: true });
  givenClient = {
    client_id: 'given-client',
    client_secret: canaries.plant('registered-secret'),
    registration_access_token: canaries.plant('registration-access-token', { plain: true }),
  };
  signingKey = generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey.export({ type: 'pkcs8', format: 'pem' }).toString();
  canaries.watch('signing-key', signingKey);
  env = {
    PERSIST_KEY: randomBytes(32).toString('base64'),
    SESSION_KEY: canaries.plant('session-key', { plain: true }),
    SESSION_BODY: `{"key":"${canaries.plant('session-body', { plain: true })}"}`,
  };
  canaries.watch('persist-key', env['PERSIST_KEY'] as string);
  authorizationServer = await startScriptedServer({
    answer: (asked) => {
      const [, behaviour, endpoint] = asked.target.split('/') as ['', string, Endpoint];
      return (BEHAVIOURS[behaviour]?.[endpoint] ?? GOOD[endpoint])(asked);
    },
  });
  // Wants a nonce in each proof, and says why it refuses with what it was sent.
  origin = await startScriptedServer({
    answer: (asked) => {
      const proof = asked.field('dpop')[0];
      if (proof === undefined || Buffer.from(proof.split('.')[1] ?? '', 'base64url').includes('the-nonce'))
        return answerWith(200, [], 'ok');
      return answerWith(401, ['WWW-Authenticate: DPoP error="use_dpop_nonce"', 'DPoP-Nonce: the-nonce']);
    },
  });
  broker = await startBrokerProcess({
    files: { 'key-logger.mjs': KEY_LOGGER },
    nodeArgs: ['--import', './key-logger.mjs'],
    env,
    config: config(),
  });
  for (const { name } of names) for (const _ of [1, 2]) await call(`${broker.url()}/${name}/x`);
  for (const { name } of names) await administer(`/tokens/${name}/renew`);
}, 60_000);

afterAll(async () => {
  await broker?.close();
  await Promise.all([authorizationServer?.close(), origin?.close()]);
});

const reasons = (log: readonly Record<string, unknown>[]) =>
  new Set(log.filter(({ msg }) => msg === 'token attempt failed').map(({ err }) => (err as { reason: string }).reason));

describe('secrets that the broker obtains or makes', () => {
  test('X01 each was sent or given, or else nothing could be found', () => {
    const answers = [...Object.values(BEHAVIOURS).flatMap((each) => Object.values(each)), ...Object.values(GOOD)];
    const asked = authorizationServer.requests[0] as ScriptedRequest;
    const said = answers.map((answer) => answer(asked)).join('\n');
    const found = new Set(canaries.find(`${authorizationServer.received()}${origin.received()}${said}`).map(({ name }) => name));
    for (const name of ['signing-key', 'persist-key']) expect(found).not.toContain(name);
    for (const name of [
      'access-token',
      'rotated-refresh-token',
      'first-refresh-token',
      'initial-access-token',
      'owner-password',
      'in-an-origin',
      'registered-secret',
      'registration-access-token',
      'session-key',
      'session-body',
    ])
      expect(found).toContain(name);
  });

  test('X01 X02 no misbehaviour of a server puts one into the log, an answer or what the admin address says', async () => {
    expect(reasons(broker.log())).toEqual(
      new Set([
        'initiation_http_500',
        'registration_access_denied',
        'registration_http_500',
        'registration_answer_incomplete',
        'registration_method_unexpected',
        'http_503',
        'breaker_open',
        'invalid_client',
        'token_type_unexpected',
        'upstream_origin_unacceptable',
      ]),
    );
    expect(broker.log().filter(({ msg }) => msg === 'client registered').length).toBeGreaterThan(4);
    for (const page of ['/metrics', '/readyz?verbose', '/livez', '/', '/status', '/tokens/good-bound/renew']) await administer(page, 'GET');
    for (const { name } of names) await administer(`/tokens/${name}/purge`);
    await broker.logged('token revoked');
    await broker.logged('token not revoked: good until it ends');
    const said = broker.stdout() + broker.stderr() + shown;
    expect(said).toContain('"said":"access_denied: undefined beside');
    expect(canaries.find(said)).toEqual([]);
  });

  test('X01 keys and proofs of possession stay where they belong', async () => {
    const keys = (await readFile(join(broker.directory, 'made-keys'), 'utf8')).trim().split('\n');
    expect(keys).toHaveLength(Object.keys(BEHAVIOURS).length);
    const proofs = [...authorizationServer.requests, ...origin.requests].flatMap(({ field }) => field('dpop'));
    expect(proofs.length).toBeGreaterThan(keys.length);
    const made = createCanaries();
    for (const key of keys) {
      made.watch('key', key);
      made.watch('key', Buffer.from(key, 'base64url').toString('base64'));
    }
    const outside =
      proofs.map((proof) => Buffer.from(proof.split('.').slice(0, 2).join('.'), 'base64url').toString()).join() + proofs.join();
    expect(made.find(outside)).toEqual([]);
    // Each with its own end: what all share is no secret.
    for (const proof of proofs) made.watch('proof', proof.split('.')[2] as string);
    expect(made.find(broker.stdout() + broker.stderr() + shown)).toEqual([]);
  });

  test('X01 kept files say nothing to who reads them', async () => {
    const kept = (await readdir(broker.directory)).filter((name) => name.startsWith('kept-'));
    expect(kept).toEqual(
      expect.arrayContaining(['kept-good-registered', 'kept-good-signing', 'kept-good-refreshing', 'kept-mistyping-refreshing']),
    );
    for (const name of kept) expect(canaries.find(await readFile(join(broker.directory, name)))).toEqual([]);
  });

  test('X01 neither does "check --online" say one', async () => {
    const { code, stdout, stderr } = await run(['check', '--online', '--format', 'json'], { cwd: broker.directory, env });
    expect(code).toBe(1);
    expect(stdout).toContain('upstream_origin_unacceptable');
    expect(canaries.find(stdout + stderr)).toEqual([]);
  });

  test('X02 inspecting the config, what came of each grant, and all that observers are told shows none', async () => {
    const { config: loaded } = await loadConfig(join(broker.directory, 'sidecar.config.json'), { env: { ...process.env, ...env } });
    const told: unknown[] = [];
    const everything = <Observer extends object>(observer: Observer): Observer =>
      Object.fromEntries(Object.keys(observer).map((name) => [name, (...facts: unknown[]) => void told.push(facts)])) as Observer;
    const tokens = new Tokens({
      config: loaded,
      clock: systemClock,
      observer: everything(UNOBSERVED.observer),
      storeObserver: UNOBSERVED.storeObserver,
      grantObserver: () => everything(UNOBSERVED.grantObserver('')),
    });
    const outcomes = await Promise.all(tokens.all().map((source) => source.get().catch((error: unknown) => error)));
    await tokens.revoke(3_000);
    await tokens.close();
    expect(told.length).toBeGreaterThan(names.length);
    const whole = { loaded, tokens, sources: tokens.all(), outcomes, told };
    const seen = inspect(whole, { depth: null, showHidden: true, maxArrayLength: null, maxStringLength: null });
    expect(seen).toMatch(/reason: 'registration_access_denied'.*\[token [0-9a-f]{8}\]/s);
    expect(canaries.find(seen + JSON.stringify(whole))).toEqual([]);
  });
});
