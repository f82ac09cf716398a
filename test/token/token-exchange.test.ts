/** Token exchange: what is sent, what is believed of the answer, and that nothing outlives the subject. */

import { execFile } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { promisify } from 'node:util';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { AuthorizationServer } from '../../src/authorization-server/authorization-server.ts';
import { loadConfig } from '../../src/config/load.ts';
import type { TokenConfig } from '../../src/config/schema/tokens.ts';
import { closedAfterEach } from '../helpers/closing.ts';
import { FakeClock } from '../helpers/fake-clock.ts';
import { grantOf } from '../helpers/grant.ts';
import { tokenAnswer } from '../helpers/scripted-answers.ts';
import { type ScriptedServer, startScriptedServer } from '../helpers/scripted-server.ts';

const TYPES = 'urn:ietf:params:oauth:token-type:';
let folder: string;
let server: ScriptedServer;
let answer: Record<string, unknown>;
const closed = closedAfterEach();

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'token-broker-exchange-'));
  answer = {};
  server = await startScriptedServer({ answer: () => tokenAnswer(answer) });
  closed(server);
});
afterEach(async () => {
  await rm(folder, { recursive: true });
});

/** Writes a file of a secret. */
const put = (name: string, text: string) => writeFile(join(folder, name), text, { mode: 0o600 });

/** A source as the config describes it, whose files nobody watches. */
async function exchange(more: Record<string, unknown> = {}, subject = 'the-subject') {
  await put('subject', `${subject}\n`);
  const file = join(folder, 'sidecar.config.json');
  const token = {
    authorizationServer: 'as',
    grant: 'token_exchange',
    clientId: 'orders-sidecar',
    clientAuthentication: { method: 'client_secret_post', secret: { unsafeInline: 'orders-secret' } },
    subject: { fromFile: 'subject' },
    ...more,
  };
  const listeners = { local: { address: '127.0.0.1:0', authenticate: ['anonymous'] } };
  const authorizationServers = { as: { tokenEndpoint: `${server.url}/token` } };
  await writeFile(file, JSON.stringify({ listeners, authorizationServers, tokens: { orders: token } }));
  const { config } = await loadConfig(file);
  const clock = new FakeClock();
  const authorizationServer = closed(new AuthorizationServer(config.authorizationServers['as'] as never, clock));
  return {
    source: grantOf(config.tokens['orders'] as TokenConfig, authorizationServer, clock),
    clock,
  };
}

const sent = (index = 0) => Object.fromEntries(new URLSearchParams(server.requests[index]?.body.toString()));

function jwt(claims: object): string {
  return [{ alg: 'ES256' }, claims, 'signature'].map((part) => Buffer.from(JSON.stringify(part)).toString('base64url')).join('.');
}

describe('token exchange', () => {
  test('T01 sends the subject as an access token, and nothing that was not asked for', async () => {
    const { source } = await exchange();
    expect((await source.get()).reveal()).toBe('scripted-access-token');
    expect(sent()).toEqual({
      grant_type: 'urn:ietf:params:oauth:grant-type:token-exchange',
      subject_token: 'the-subject',
      subject_token_type: `${TYPES}access_token`,
      client_id: 'orders-sidecar',
      client_secret: 'orders-secret',
    });
  });

  test('T01 sends types, actor, audience, resource and scope (RFC 8693 §2.1)', async () => {
    await put('actor', 'the-actor');
    answer = { issued_token_type: `${TYPES}jwt` };
    const { source } = await exchange({
      subjectTokenType: `${TYPES}id_token`,
      requestedTokenType: `${TYPES}jwt`,
      actor: { token: { fromFile: 'actor' }, tokenType: `${TYPES}jwt` },
      audience: ['https://api.example', 'second'],
      resource: 'https://r.example',
      scope: 'a b',
    });
    await source.get();
    expect(sent()).toMatchObject({
      subject_token_type: `${TYPES}id_token`,
      requested_token_type: `${TYPES}jwt`,
      actor_token: 'the-actor',
      actor_token_type: `${TYPES}jwt`,
      resource: 'https://r.example',
      scope: 'a b',
    });
    expect(new URLSearchParams(server.requests[0]?.body.toString()).getAll('audience')).toEqual(['https://api.example', 'second']);
  });

  test('reads subject and actor anew for each grant, and keeps what it has while a file is gone', async () => {
    await put('actor', 'actor-1');
    const { source } = await exchange({ actor: { token: { fromFile: 'actor' } } });
    await source.get();
    await put('subject', 'subject-2');
    await put('actor', 'actor-2');
    await source.get();
    await rm(join(folder, 'subject'));
    await source.get();
    expect([0, 1, 2].map((index) => [sent(index)['subject_token'], sent(index)['actor_token']])).toEqual([
      ['the-subject', 'actor-1'],
      ['subject-2', 'actor-2'],
      ['subject-2', 'actor-2'],
    ]);
  });

  test('T03 what was exchanged ends no later than a subject that is a JWT with "exp"', async () => {
    const now = new FakeClock().now();
    const { source } = await exchange({}, jwt({ exp: now / 1000 + 100 }));
    expect((await source.get()).lifetimeMs).toBe(100_000);
    await put('subject', jwt({ exp: now / 1000 + 100_000 }));
    expect((await source.get()).lifetimeMs).toBe(3_600_000);
    await put('subject', jwt({ sub: 'without an end' }));
    expect((await source.get()).lifetimeMs).toBe(3_600_000);
  });

  test('T03 a subject whose "exp" is past is not sent at all', async () => {
    const { source, clock } = await exchange({}, jwt({ exp: new FakeClock().now() / 1000 + 10 }));
    await source.get();
    await clock.advance(10_000);
    await expect(source.get()).rejects.toMatchObject({ failureClass: 'permanent', reason: 'subject_expired' });
    expect(server.requests).toHaveLength(1);
  });

  test.each(['urn:oasis:names:tc:SAML:2.0:assertion', 'urn:oasis:names:tc:SAML:1.0:assertion'])(
    'T03 what was exchanged ends no later than a SAML subject of %s, which is not sent once it has ended',
    async (namespace) => {
      const at = (ms: number) => new Date(new FakeClock().now() + ms).toISOString();
      const assertion = (end: string) => {
        const xml = `<?xml version="1.0"?><a:Assertion xmlns:a="${namespace}"><a:Conditions NotBefore="${at(-1000)}" NotOnOrAfter="${end}"/></a:Assertion>`;
        return Buffer.from(xml).toString('base64url');
      };
      const { source, clock } = await exchange({ subjectTokenType: `${TYPES}saml2` }, assertion(at(100_000)));
      expect((await source.get()).lifetimeMs).toBe(100_000);
      await clock.advance(100_000);
      await expect(source.get()).rejects.toMatchObject({ failureClass: 'permanent', reason: 'subject_expired' });
      expect(server.requests).toHaveLength(1);
      await put('subject', assertion('some day'));
      expect((await source.get()).lifetimeMs).toBe(3_600_000);
    },
  );

  test('T03 of two ends that a SAML subject says the earlier one counts', async () => {
    const at = (ms: number) => new Date(new FakeClock().now() + ms).toISOString();
    const xml = `<!-- <Conditions NotOnOrAfter="${at(900_000)}"> --><Assertion><Conditions NotOnOrAfter="${at(50_000)}"></Conditions></Assertion>`;
    const { source } = await exchange({}, Buffer.from(xml).toString('base64url'));
    expect((await source.get()).lifetimeMs).toBe(50_000);
  });

  test.each(['America/Los_Angeles', 'Asia/Tokyo'])(
    'T03 the end of a SAML subject that names no time zone is in UTC, also in %s',
    async (zone) => {
      const program = `
      const { subjectEndsAt } = await import(${JSON.stringify(pathToFileURL('src/token/subject-end.ts'))});
      console.log(subjectEndsAt('<Conditions NotOnOrAfter="2026-11-22T10:00:00.5"/>'), subjectEndsAt('<Conditions NotOnOrAfter="2026-11-22T10:00:00+02:00"/>'));`;
      const env = { ...process.env, TZ: zone };
      const { stdout } = await promisify(execFile)(process.execPath, ['--input-type=module', '-e', program], { env });
      expect(stdout).toBe(`${Date.UTC(2026, 10, 22, 10, 0, 0, 500)} ${Date.UTC(2026, 10, 22, 8)}\n`);
    },
  );

  test('T02 an answer of another type than the one asked for is not used', async () => {
    const { source } = await exchange({ requestedTokenType: `${TYPES}access_token` });
    for (const issued of [undefined, `${TYPES}refresh_token`, 7]) {
      answer = { issued_token_type: issued };
      await expect(source.get()).rejects.toMatchObject({ failureClass: 'nonsense', reason: 'issued_token_type_unexpected' });
    }
    answer = { issued_token_type: `${TYPES}access_token` };
    await source.get();
  });

  test('T02 without a type asked for, any may be issued', async () => {
    answer = { issued_token_type: `${TYPES}jwt` };
    expect((await (await exchange()).source.get()).reveal()).toBe('scripted-access-token');
  });

  test.each([
    [`${TYPES}id_token`, true],
    [`${TYPES}access_token`, false],
    [undefined, false],
  ])('T02 token_type N_A where %s was asked for is accepted: %s', async (requestedTokenType, accepted) => {
    answer = { token_type: 'N_A', issued_token_type: requestedTokenType };
    const got = (await exchange({ requestedTokenType })).source.get();
    if (accepted) expect((await got).reveal()).toBe('scripted-access-token');
    else await expect(got).rejects.toMatchObject({ reason: 'token_type_unexpected' });
  });
});
