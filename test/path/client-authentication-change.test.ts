/** Keys, certificates, assertions and secrets that change in their files while the broker runs, and what is logged of them. */

import { createHmac, createPublicKey, generateKeyPairSync, type KeyObject, verify, X509Certificate } from 'node:crypto';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TLSSocket } from 'node:tls';
import { afterAll, afterEach, beforeAll, describe, expect, test } from '@jest/globals';
import { type Scene, startScene } from '../helpers/broker.ts';
import { sharedAuthority } from '../helpers/certificates.ts';
import { type Answer, request } from '../helpers/http-client.ts';
import { answerWith, jsonAnswer, oauthError, tokenAnswer } from '../helpers/scripted-answers.ts';
import { type Script, type ScriptedRequest, type ScriptedServer, startScriptedServer } from '../helpers/scripted-server.ts';

let folder: string;
let scene: Scene;
let authorizationServer: ScriptedServer;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'token-broker-change-'));
});
afterEach(() => Promise.all([scene.close(), authorizationServer.close()]));
afterAll(() => rm(folder, { recursive: true }));

const path = (name: string) => join(folder, name);
const write = (name: string, content: string) => writeFile(path(name), content, { mode: 0o600 });
const file = (name: string) => ({ fromFile: path(name) });

/** The broker in front of a TLS authorization server that asks for client certificates and takes any. */
async function start(clientAuthentication: object, answer: Script): Promise<void> {
  const authority = await sharedAuthority();
  authorizationServer = await startScriptedServer({
    answer,
    tls: { ...(await authority.issueServer()), ca: authority.certificate, requestCert: true, rejectUnauthorized: false },
  });
  scene = await startScene({
    serverConfig: { tokenEndpoint: `${authorizationServer.url}/token`, tls: { ca: authority.certificate } },
    tokenConfig: { clientAuthentication },
  });
}

const get = (): Promise<Answer> => request(`${scene.url()}/api/x`);

/** Asks until the answer has that status: the changed file is seen within some looks. */
async function untilStatus(status: number): Promise<void> {
  while ((await get()).status !== status) await new Promise((resolve) => setTimeout(resolve, 20));
}

/** The grant requests that were refused before a file changed; none comes while the failure is remembered. */
async function expectOneRefusal(): Promise<void> {
  for (let i = 0; i < 3; i += 1) expect((await get()).status).toBe(502);
  expect(authorizationServer.requests).toHaveLength(1);
}

const pem = (key: KeyObject) => key.export({ type: 'pkcs8', format: 'pem' }).toString();
const newKey = () => generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey;
const assertionIn = (asked: ScriptedRequest) => new URLSearchParams(asked.body.toString()).get('client_assertion') ?? '';

function isSignedBy(jwt: string, key: KeyObject): boolean {
  const [header, claims, signature = ''] = jwt.split('.');
  const options = { key: createPublicKey(key), dsaEncoding: 'ieee-p1363' as const };
  return verify('sha256', Buffer.from(`${header}.${claims}`), options, Buffer.from(signature, 'base64url'));
}

/** Whether the request's proof is that secret, by whichever method. */
function isProvenBy(asked: ScriptedRequest, secret: string): boolean {
  const jwt = assertionIn(asked);
  if (jwt === '') return `${Buffer.from(asked.field('authorization')[0]?.split(' ')[1] ?? '', 'base64')} ${asked.body}`.includes(secret);
  const [header, claims, signature] = jwt.split('.');
  return createHmac('sha256', secret).update(`${header}.${claims}`).digest('base64url') === signature;
}

describe('a changed file', () => {
  test('T16 of a key serves the next grant, and the refusal of the old key is forgotten', async () => {
    const [before, after] = [newKey(), newKey()];
    await Promise.all([write('key.pem', pem(before)), write('kid', 'before')]);
    await start({ method: 'private_key_jwt', key: file('key.pem'), kid: file('kid') }, (asked) => {
      const jwt = assertionIn(asked);
      const { kid } = JSON.parse(Buffer.from(jwt.split('.')[0] as string, 'base64url').toString()) as { kid: unknown };
      return kid === 'after' && isSignedBy(jwt, after) ? tokenAnswer() : oauthError('invalid_client', 401);
    });
    await expectOneRefusal();
    await Promise.all([write('key.pem', pem(after)), write('kid', 'after')]);
    await untilStatus(200);
  });

  test('T16 of an assertion that others keep serves the next grant', async () => {
    const jwt = (name: string) => ['{}', `{"sub":"${name}"}`, name].map((part) => Buffer.from(part).toString('base64url')).join('.');
    await write('token', `${jwt('before')}\n`);
    await start({ method: 'private_key_jwt', assertion: file('token') }, (asked) =>
      assertionIn(asked) === jwt('after') ? tokenAnswer() : oauthError('invalid_client', 401),
    );
    await expectOneRefusal();
    await write('token', `${jwt('after')}\n`);
    await untilStatus(200);
  });

  test.each(['tls_client_auth', 'self_signed_tls_client_auth'])('T15 of a certificate serves the next grant by %s', async (method) => {
    const authority = await sharedAuthority();
    const [before, after] = [await authority.issueClient({ commonName: 'before' }), await authority.issueClient({ commonName: 'after' })];
    await Promise.all([write('client.crt', before.cert), write('client.key', before.key)]);
    await start({ method, certificate: file('client.crt'), key: file('client.key') }, (_asked, { socket }) => {
      const shown = (socket as TLSSocket).getPeerX509Certificate();
      return shown?.fingerprint256 === new X509Certificate(after.leaf).fingerprint256 ? tokenAnswer() : oauthError('invalid_client', 401);
    });
    await expectOneRefusal();
    await Promise.all([write('client.crt', after.cert), write('client.key', after.key)]);
    await untilStatus(200);
  });

  test.each(['client_secret_basic', 'client_secret_post', 'client_secret_jwt'])(
    'T05 of one secret of a list serves the next grant by %s',
    async (method) => {
      await Promise.all([write('old', 'old-secret'), write('new', 'new-secret')]);
      await start({ method, secret: [file('old'), file('new')] }, (asked) =>
        isProvenBy(asked, 'newer-secret') ? tokenAnswer() : oauthError('invalid_client', 401),
      );
      for (let i = 0; i < 3; i += 1) expect((await get()).status).toBe(502);
      expect(authorizationServer.requests).toHaveLength(2);
      await write('new', 'newer-secret');
      await untilStatus(200);
      const message = 'client secret refused: using another of the list';
      expect(await scene.logged(message)).toMatchObject({ level: 'warn', token: 'orders', position: 2, count: 2 });
      expect(scene.log.filter((line) => line['msg'] === message)).toHaveLength(1);
      expect(JSON.stringify(scene.log)).not.toMatch(/(old|newer?)-secret/);
    },
  );
});

describe('an assertion', () => {
  test('T16 is never sent twice: each retry has one of its own, for at most five minutes', async () => {
    await write('key.pem', pem(newKey()));
    await start({ method: 'private_key_jwt', key: file('key.pem') }, (asked) => (asked.count < 3 ? answerWith(503, []) : tokenAnswer()));
    expect((await get()).status).toBe(200);
    const claims = authorizationServer.requests.map((asked) => {
      const part = assertionIn(asked).split('.')[1] as string;
      return JSON.parse(Buffer.from(part, 'base64url').toString()) as { jti: string; iat: number; exp: number };
    });
    expect(new Set(claims.map(({ jti }) => jti)).size).toBe(3);
    for (const { iat, exp } of claims) expect(exp - iat).toBeLessThanOrEqual(300);
  });

  test('X01 that a server echoes, whole or in parts, is cut from the log', async () => {
    await write('key.pem', pem(newKey()));
    const echo = (jwt: string) => {
      const [header, claims = '', signature] = jwt.split('.');
      return `bad ${jwt} and ${header}.${claims} meaning ${Buffer.from(claims, 'base64url').toString()} with ${signature} ${encodeURIComponent(jwt)}`;
    };
    await start({ method: 'private_key_jwt', key: file('key.pem') }, (asked) =>
      jsonAnswer(401, { error: 'invalid_client', error_description: echo(assertionIn(asked)) }),
    );
    expect((await get()).status).toBe(502);
    expect(await scene.logged('token not granted')).toMatchObject({
      said: 'invalid_client: bad [secret] and [secret] meaning [secret] with [secret] [secret]',
    });
    const [, claims = '', signature = ''] = assertionIn(authorizationServer.requests[0] as ScriptedRequest).split('.');
    const log = JSON.stringify(scene.log);
    for (const part of [claims, signature]) expect(log).not.toContain(part);
  });
});
