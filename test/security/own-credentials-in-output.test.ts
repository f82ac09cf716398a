/**
 * The attack: whoever reads the log, the metrics or an error answer collects what callers brought for their tokens. Authorization servers
 * repeat what they were sent when they refuse, and when they fail.
 */

import { afterEach, expect, test } from '@jest/globals';
import { type Scene, startScene } from '../helpers/broker.ts';
import { type Canaries, createCanaries } from '../helpers/canaries.ts';
import { request } from '../helpers/http-client.ts';
import { answerWith, jsonAnswer } from '../helpers/scripted-answers.ts';
import type { ScriptedRequest } from '../helpers/scripted-server.ts';

let scene: Scene;
afterEach(() => scene.close());

const FIELD = 'X-Subject';
const base64 = (text: string) => Buffer.from(text).toString('base64');

/** What a caller sends, by the token that is made from it. */
const BROUGHT: Record<string, (canaries: Canaries) => { tokenConfig: object; field: [name: string, value: string] }> = {
  password: (canaries) => ({
    tokenConfig: { grant: 'password', resourceOwner: 'caller' },
    field: ['authorization', `Basic ${base64(`${canaries.plant('user')}:${canaries.plant('password')}`)}`],
  }),
  token_exchange: (canaries) => ({
    tokenConfig: { grant: 'token_exchange', subject: 'caller' },
    field: ['authorization', `Bearer ${canaries.plant('subject')}`],
  }),
  jwt_bearer: (canaries) => ({
    tokenConfig: { grant: 'jwt_bearer', subject: 'caller', subjectField: FIELD },
    field: [FIELD, `e30.${canaries.plant('claims', { plain: true })}.${canaries.plant('signature', { plain: true })}`],
  }),
  saml2_bearer: (canaries) => ({
    tokenConfig: { grant: 'saml2_bearer', subject: 'caller', subjectField: FIELD },
    field: [FIELD, base64(`<Assertion>${canaries.plant('assertion')}</Assertion>`)],
  }),
};

const ANSWERS: Record<string, (asked: ScriptedRequest) => string> = {
  refuses: (asked) => jsonAnswer(400, { error: 'invalid_grant', error_description: echo(asked) }),
  fails: (asked) => answerWith(500, ['Content-Type: text/html'], echo(asked)),
};

function echo({ body }: ScriptedRequest): string {
  const values = [...new URLSearchParams(body.toString()).values()];
  return [body, ...values, ...values.map((value) => Buffer.from(value, 'base64url'))].join(' or ');
}

const cases = Object.keys(BROUGHT).flatMap((grant) => Object.keys(ANSWERS).map((answer) => [grant, answer] as const));

test.each(cases)('X01 %s, by a server that %s and repeats what it was sent', async (grant, answer) => {
  const canaries = createCanaries();
  const { tokenConfig, field } = (BROUGHT[grant] as (typeof BROUGHT)[string])(canaries);
  const ways = grant === 'password' ? ['basic-passthrough'] : ['anonymous'];
  scene = await startScene({
    token: ANSWERS[answer] as (typeof ANSWERS)[string],
    tokenConfig: { ...tokenConfig, clientAuthentication: { secret: { unsafeInline: canaries.plant('client-secret') } } },
    route: { callers: ways },
    config: { listeners: { local: { address: '127.0.0.1:0', authenticate: ways } } },
  });
  const refused = await request(`${scene.url()}/api/x`, { fields: field });
  expect(refused.status).toBe(answer === 'refuses' ? 401 : 503);
  expect(canaries.find(scene.authorizationServer.received())).not.toEqual([]);
  const shown = [JSON.stringify(scene.log), await scene.metrics(), refused.text(), refused.fields.join('\n')];
  expect(shown.flatMap((text) => canaries.find(text))).toEqual([]);
  // The log is worth something all the same.
  expect(JSON.stringify(scene.log)).toContain(answer === 'refuses' ? 'invalid_grant: ' : 'http_500');
  expect(scene.origin.requests).toHaveLength(0);
});
