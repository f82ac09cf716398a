/** The metadata document as it grows old. */

import { expect, test } from '@jest/globals';
import { AuthorizationServer } from '../../src/authorization-server/authorization-server.ts';
import { authorizationServer as serverSchema } from '../../src/config/schema/authorization-servers.ts';
import { none } from '../../src/token/client-auth/none.ts';
import { closedAfterEach } from '../helpers/closing.ts';
import { FakeClock, settle } from '../helpers/fake-clock.ts';
import { metadataAnswer, tokenAnswer } from '../helpers/scripted-answers.ts';
import { type ScriptedServer, startScriptedServer } from '../helpers/scripted-server.ts';

const kept = closedAfterEach();

test('T12 is read again in the background when it is an hour old, no sooner, and its age is told', async () => {
  const server: ScriptedServer = kept(
    await startScriptedServer({ answer: ({ method }) => (method === 'GET' ? metadataAnswer(server.url) : tokenAnswer()) }),
  );
  const reads = () => server.requests.filter(({ method }) => method === 'GET').length;
  const clock = new FakeClock();
  const authorizationServer = kept(new AuthorizationServer(serverSchema.parse({ issuer: server.url }), clock));
  const parameters = new URLSearchParams();
  const ask = () =>
    authorizationServer.requestToken({
      grant: 'client_credentials',
      clientId: 'the-client',
      proof: none,
      parameters,
      headers: {},
      maxSize: 8192,
    });
  await clock.advance(2 * 3_600_000);
  expect(authorizationServer.status().metadata).toEqual({ ageMs: undefined, failing: false });
  await ask();
  await clock.advance(3_599_999);
  await ask();
  expect(reads()).toBe(1);
  expect(authorizationServer.status().metadata).toEqual({ ageMs: 3_599_999, failing: false });
  await clock.advance(1);
  await ask();
  while (authorizationServer.status().metadata?.ageMs !== 0) await settle();
  expect(reads()).toBe(2);
});
