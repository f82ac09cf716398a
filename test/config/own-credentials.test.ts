import { describe, expect, test } from '@jest/globals';
import { bent, type Loose, said, useDirectory, verdict } from './fixture.ts';

const directory = useDirectory();

type Sections = Record<'listeners' | 'callers' | 'tokens' | 'routes', Loose[string]>;

async function problemsOf(bend: (config: Sections) => void): Promise<string[]> {
  const { problems } = await verdict(directory.path('sidecar.config.json'), bent(bend as (config: Loose) => void));
  return said(problems);
}

/** Makes the token of the valid config one of the caller's own account, with what it needs. */
function ownAccount(config: Sections): void {
  config.listeners.local.authenticate = ['basic-passthrough'];
  Object.assign(config.tokens.orders, { grant: 'password', resourceOwner: 'caller' });
  config.routes.orders.callers = ['basic-passthrough'];
}

function ownSubject(config: Sections, more: Loose = {}): void {
  Object.assign(config.tokens.orders, { grant: 'token_exchange', subject: 'caller', ...more });
}

describe("tokens made from the caller's own credentials", () => {
  test('are accepted with what they need', async () => {
    expect(await problemsOf(ownAccount)).toEqual([]);
    expect(await problemsOf((config) => ownSubject(config, { subjectField: 'X-Subject', maxCallers: 5 }))).toEqual([]);
    expect(
      await problemsOf((config) => {
        ownSubject(config);
        config.listeners.local.authenticate = ['anonymous'];
        config.routes.orders.callers = ['anonymous'];
      }),
    ).toEqual([]);
  });

  test('"basic" and "basic-passthrough" on one listener could not be told apart', async () => {
    const problems = await problemsOf((config) => {
      ownAccount(config);
      config.listeners.local.authenticate = ['basic', 'basic-passthrough'];
    });
    expect(problems).toEqual([expect.stringMatching(/^listeners\.local\.authenticate has both "basic" and "basic-passthrough"/)]);
  });

  test('passwords that pass through need TLS like all others', async () => {
    const problems = await problemsOf((config) => {
      ownAccount(config);
      config.listeners.local.address = '0.0.0.0:8080';
    });
    expect(problems).toEqual([expect.stringMatching(/^listeners\.local\.address takes passwords without TLS/)]);
  });

  test.each([
    ['of the client itself', () => {}],
    ['of a subject in a field', (config: Sections) => ownSubject(config, { subjectField: 'X-Subject' })],
    ['of no kind at all', (config: Sections) => Object.assign(config.routes.orders, { token: null })],
  ])('a route does not let "basic-passthrough" in with a token %s', async (_what, bend) => {
    const problems = await problemsOf((config) => {
      bend(config);
      config.listeners.other = { address: '127.0.0.1:8081', authenticate: ['basic-passthrough'] };
      config.routes.orders.callers = ['app', 'basic-passthrough'];
    });
    expect(problems).toEqual([expect.stringMatching(/^routes\.orders\.callers\[1\] lets in whom nobody has authenticated/)]);
  });

  test('some listener of the route must be able to bring them', async () => {
    const unable = (pattern: RegExp) => [expect.stringMatching(pattern)];
    expect(
      await problemsOf((config) => {
        ownAccount(config);
        config.listeners.other = { address: '127.0.0.1:8081', authenticate: ['basic'] };
        config.routes.orders.listeners = ['other'];
      }),
    ).toEqual(unable(/^routes\.orders\.token is made from what callers bring, and no listener of this route has "basic-passthrough"/));
    expect(await problemsOf((config) => ownSubject(config))).toEqual(unable(/^routes\.orders\.token .* name a "subjectField"$/));
    expect(
      await problemsOf((config) => {
        ownSubject(config, { subjectField: 'X-Subject' });
        config.listeners.local.authenticate = ['basic-passthrough'];
      }),
    ).toEqual(unable(/^routes\.orders\.token .* no listener of this route knows its callers/));
  });

  test('an assertion needs its field, and a field its assertion', async () => {
    expect(await problemsOf((config) => ownSubject(config, { grant: 'saml2_bearer' }))).toContainEqual(
      expect.stringMatching(/^tokens\.orders needs "subjectField"/),
    );
    expect(
      await problemsOf((config) => ownSubject(config, { subject: { unsafeInline: 'x' }, subjectField: 'X-Subject', maxCallers: 5 })),
    ).toEqual([
      'tokens.orders.subjectField is for "subject": "caller" alone; remove it, or say that',
      'tokens.orders.maxCallers is for "subject": "caller" alone; remove it, or say that',
    ]);
    for (const subjectField of ['Authorization', 'cookie', 'not a field'])
      expect(await problemsOf((config) => ownSubject(config, { subjectField }))).toContainEqual(
        expect.stringMatching(/^tokens\.orders\.subjectField is /),
      );
  });

  test('no caller can have their name', async () => {
    const problems = await problemsOf((config) => {
      config.callers['basic-passthrough'] = config.callers.app;
      config.routes.orders.callers = ['*'];
    });
    expect(problems).toContainEqual(expect.stringMatching(/^callers\.basic-passthrough is the name of those who are not authenticated/));
  });

  test('a wrong resource owner is told both ways out', async () => {
    const problems = await problemsOf((config) => {
      ownAccount(config);
      config.tokens.orders.resourceOwner = 'me';
    });
    expect(problems).toEqual([
      'tokens.orders.resourceOwner is neither "caller" nor an account; write "caller", or an object with "username" and "password"',
    ]);
  });
});
