/** Ordered lists of secrets: old and new side by side while the server changes from one to the other. */

import { afterEach, describe, expect, test } from '@jest/globals';
import { AuthorizationServer } from '../../../src/authorization-server/authorization-server.ts';
import { authorizationServer as serverSchema } from '../../../src/config/schema/authorization-servers.ts';
import { type GrantConfig, token as tokenSchema } from '../../../src/config/schema/tokens.ts';
import { createGrant } from '../../../src/token/grants/create-grant.ts';
import { tokenClient } from '../../../src/token/grants/grant.ts';
import type { Grant } from '../../../src/token/source.ts';
import { FakeClock } from '../../helpers/fake-clock.ts';
import { recordingObserver } from '../../helpers/grant-observer.ts';
import { answerWith, oauthError, tokenAnswer } from '../../helpers/scripted-answers.ts';
import { type ScriptedRequest, type ScriptedServer, startScriptedServer } from '../../helpers/scripted-server.ts';

let server: ScriptedServer;
let authorizationServer: AuthorizationServer;
/** What the server takes. */
let accepted: string[] = [];
/** What was told while granting. */
let events: string[] = [];

afterEach(() => Promise.all([server.close(), authorizationServer.close()]));

const REFUSED = oauthError('invalid_client', 401);

async function start(
  secrets: readonly string[],
  grant = 'client_credentials',
  refusal = REFUSED,
  mayRepeat?: () => boolean,
): Promise<Grant> {
  const clock = new FakeClock();
  events = [];
  const observer = recordingObserver(events);
  server = await startScriptedServer({ answer: (asked) => (accepted.includes(secretIn(asked)) ? tokenAnswer() : refusal) });
  authorizationServer = new AuthorizationServer(serverSchema.parse({ tokenEndpoint: `${server.url}/token` }), clock);
  const config = tokenSchema.parse({
    authorizationServer: 'as',
    grant,
    clientId: 'the-client',
    clientAuthentication: { method: 'client_secret_post', secret: secrets.map((unsafeInline) => ({ unsafeInline })) },
    ...(grant === 'password' ? { resourceOwner: { username: 'u', password: { unsafeInline: 'p' } } } : {}),
  }) as GrantConfig;
  const client = tokenClient(config, authorizationServer, clock, observer);
  const request: typeof client.request = (asked) => client.request({ ...asked, ...(mayRepeat && { mayRepeat }) });
  return createGrant(config, { request, server: authorizationServer, clock, observer });
}

const secretIn = ({ body }: ScriptedRequest) => new URLSearchParams(body.toString()).get('client_secret') ?? '';
/** The secrets the server was shown, in order. */
const tried = () => server.requests.map(secretIn);

describe('a list of secrets', () => {
  test('T05 is tried in its order within one grant, and the one that works comes first from then on', async () => {
    accepted = ['new'];
    const granted = await start(['old', 'new']);
    await granted.get();
    await granted.get();
    expect(tried()).toEqual(['old', 'new', 'new']);
    accepted = ['old'];
    await granted.get();
    await granted.get();
    expect(tried().slice(3)).toEqual(['new', 'old', 'old']);
  });

  test('T05 tells once, by its place in the list, that another secret works than before', async () => {
    accepted = ['new'];
    const granted = await start(['old', 'new', 'newest']);
    await granted.get();
    await granted.get();
    expect(events).toEqual(['secret 2 of 3']);
    accepted = ['newest'];
    await granted.get();
    accepted = [];
    await expect(granted.get()).rejects.toBeDefined();
    await expect(granted.get()).rejects.toBeDefined();
    accepted = ['newest'];
    await granted.get();
    expect(events).toEqual(['secret 2 of 3', 'secret 3 of 3']);
    accepted = ['old'];
    await granted.get();
    expect(events.at(-1)).toBe('secret 1 of 3');
  });

  test('T05 serves grants of many callers at once, each with every secret, and tells of the change once', async () => {
    accepted = ['new'];
    const granted = await start(['old', 'new']);
    await Promise.all(Array.from({ length: 5 }, () => granted.get()));
    expect(tried().sort()).toEqual([...Array(5).fill('new'), ...Array(5).fill('old')]);
    expect(events).toEqual(['secret 2 of 2']);
    await granted.get();
    expect(tried().at(-1)).toBe('new');
  });

  test('T05 a refusal that comes late puts no secret first that another grant has seen refused', async () => {
    accepted = ['c'];
    const granted = await start(['a', 'b', 'c']);
    const held = [Promise.withResolvers<string>(), Promise.withResolvers<string>()] as const;
    const { answer } = server;
    server.answer = (asked, connection) => {
      if (asked.count === 1) return held[0].promise;
      return asked.count === 5 ? held[1].promise : answer(asked, connection);
    };
    const slow = granted.get();
    await server.untilRequests(1);
    await granted.get();
    held[0].resolve(REFUSED);
    await server.untilRequests(5);
    await granted.get();
    held[1].resolve(REFUSED);
    await slow;
    expect(tried()).toEqual(['a', 'a', 'b', 'c', 'b', 'c', 'c']);
  });

  test('T05 tells nothing while the first secret works', async () => {
    accepted = ['old', 'new'];
    const granted = await start(['old', 'new']);
    await granted.get();
    await granted.get();
    expect(events).toEqual([]);
  });

  test('T05 is gone through once when all are refused, and begins anew at the next grant', async () => {
    accepted = [];
    const granted = await start(['a', 'b', 'c']);
    const refused = { failureClass: 'permanent', reason: 'invalid_client', clientRefused: true };
    await expect(granted.get()).rejects.toMatchObject(refused);
    await expect(granted.get()).rejects.toMatchObject(refused);
    expect(tried()).toEqual(['a', 'b', 'c', 'a', 'b', 'c']);
  });

  test.each([
    ['a 401 that calls it unauthorized_client, as Keycloak does', oauthError('unauthorized_client', 401), 2],
    ['a 401 without a word', answerWith(401, []), 2],
    ['a client that may not use the grant', oauthError('unauthorized_client'), 1],
    ['a refused scope', oauthError('invalid_scope'), 1],
    ['a server in trouble', answerWith(503, []), 1],
  ])('T05 is gone on with only where another secret could help: %s', async (_what, refusal, requests) => {
    accepted = [];
    const granted = await start(['a', 'b'], 'client_credentials', refusal);
    await expect(granted.get()).rejects.toBeDefined();
    expect(server.requests).toHaveLength(requests);
  });

  describe('of a password grant, at a server that says 401 to everything it refuses', () => {
    const SILENT = answerWith(401, []);
    const doubt = { reason: 'invalid_client', resourceOwnerInDoubt: true };

    test('T05 is gone through one grant at a time: the password goes out once for each', async () => {
      accepted = ['c'];
      const granted = await start(['a', 'b', 'c'], 'password', SILENT);
      await expect(granted.get()).rejects.toMatchObject(doubt);
      expect(tried()).toEqual(['a']);
      await expect(granted.get()).rejects.toMatchObject(doubt);
      await granted.get();
      await granted.get();
      expect(tried()).toEqual(['a', 'b', 'c', 'c']);
      expect(events).toEqual(['secret 3 of 3']);
    });

    test('T05 is gone through at once, as far as the account bears it, while no secret is known to work', async () => {
      accepted = ['c'];
      let left = 2;
      const mayRepeat = () => left-- > 0;
      const granted = await start(['a', 'b', 'c'], 'password', SILENT, mayRepeat);
      await granted.get();
      expect(tried()).toEqual(['a', 'b', 'c']);
    });

    test('T05 is left off where the account bears no more, and gone on with at the next grant', async () => {
      accepted = ['c'];
      let left = 1;
      const mayRepeat = () => left-- > 0;
      const granted = await start(['a', 'b', 'c'], 'password', SILENT, mayRepeat);
      await expect(granted.get()).rejects.toMatchObject(doubt);
      expect(tried()).toEqual(['a', 'b']);
      await granted.get();
      expect(tried()).toEqual(['a', 'b', 'c']);
    });

    test('T05 is not gone through at once when a secret is known to work: then it is the password', async () => {
      accepted = ['b'];
      const granted = await start(['a', 'b'], 'password', SILENT, () => true);
      await granted.get();
      accepted = [];
      await expect(granted.get()).rejects.toMatchObject(doubt);
      expect(tried()).toEqual(['a', 'b', 'b']);
    });

    test('T05 is gone on with at the next grant when secret and password were both good before', async () => {
      accepted = ['a'];
      const granted = await start(['a', 'b'], 'password', SILENT);
      await granted.get();
      accepted = ['b'];
      await expect(granted.get()).rejects.toMatchObject(doubt);
      await granted.get();
      expect(tried()).toEqual(['a', 'a', 'b']);
    });

    test('T05 a code that names the client still has the next secret tried at once', async () => {
      accepted = ['b'];
      const granted = await start(['a', 'b'], 'password');
      await granted.get();
      expect(tried()).toEqual(['a', 'b']);
    });
  });

  test('T05 is not gone on with when the resource owner is refused: that could lock the account', async () => {
    accepted = [];
    const granted = await start(['a', 'b'], 'password', oauthError('invalid_grant'));
    await expect(granted.get()).rejects.toMatchObject({ resourceOwnerRefused: true });
    expect(server.requests).toHaveLength(1);
  });
});
