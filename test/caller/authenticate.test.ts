import { describe, expect, test } from '@jest/globals';
import { createAuthenticator } from '../../src/caller/authenticate.ts';
import { createPasswordCheck } from '../../src/caller/password-check.ts';
import { listener } from '../../src/config/schema/listeners.ts';
import { Secret } from '../../src/config/secret.ts';
import type { BrokerError } from '../../src/errors.ts';
import type { CallerRequest, PeerCertificate } from '../../src/message.ts';
import { FakeClock } from '../helpers/fake-clock.ts';

type Way = 'basic' | 'mtls' | 'basic-passthrough' | 'anonymous';

const clock = new FakeClock();
const encode = (text: string) => Buffer.from(text).toString('base64');
const RIGHT = `Basic ${encode('billing:right')}`;
const WRONG = `Basic ${encode('billing:wrong')}`;

const REFUSED_401 = 'CALLER_UNAUTHENTICATED caller 401 WWW-Authenticate Basic realm="token-broker", charset="UTF-8"';
const PASSED_THROUGH = 'basic-passthrough by basic-passthrough';
const REFUSED_403 = 'CALLER_UNAUTHENTICATED caller 403';

const passwordHash = new Secret({ unsafeInline: 'x' });
passwordHash.fill('hash of right');
const callers = {
  billing: { basic: { passwordHash: [passwordHash] } },
  reports: { mtls: { dns: 'reports.example' } },
};

function certificate(dnsName: string): PeerCertificate {
  const notBeforeAt = clock.now() - 1_000;
  return { uris: [], dnsNames: [dnsName], commonName: undefined, fingerprint: '', notBeforeAt, notAfterAt: notBeforeAt + 2_000 };
}

function request(authorization?: string, presented?: PeerCertificate): CallerRequest {
  return {
    id: '1',
    listener: 'local',
    version: '1.1',
    method: 'GET',
    target: '/',
    host: 'localhost',
    fields: authorization === undefined ? ['Accept', '*/*'] : ['Accept', '*/*', 'AUTHORIZATION', authorization],
    body: undefined,
    upgrade: undefined,
    authority: undefined,
    peer: { address: '127.0.0.1', encrypted: presented !== undefined, certificate: presented },
    onAbandoned() {},
    abandoned: false,
    sentAway: false,
  };
}

/** What becomes of a request: a name and a way, or the refusal. */
async function outcome(ways: Way[], authorization?: string, presented?: PeerCertificate): Promise<string> {
  const verify = async (hashText: string, password: string) => hashText === `hash of ${password}`;
  const authenticate = createAuthenticator({
    listener: listener.parse({ address: '127.0.0.1:0', authenticate: ways }),
    callers,
    clock,
    passwords: createPasswordCheck({ callers, clock, verify }),
  });
  try {
    const caller = await authenticate(request(authorization, presented));
    return `${caller.name} by ${caller.method}`;
  } catch (error) {
    const { code, status, fields, stage } = error as BrokerError;
    return [code, stage, status, ...fields].join(' ');
  }
}

const known = certificate('reports.example');
const stranger = certificate('stranger.example');
const expired = { ...known, notAfterAt: clock.now() - 1 };

describe('caller stage', () => {
  const table: [string, Way[], string | undefined, PeerCertificate | undefined, string][] = [
    ['credentials that pass through are judged by nobody here', ['basic-passthrough'], WRONG, undefined, PASSED_THROUGH],
    ['B01 none that could pass through', ['basic-passthrough'], undefined, undefined, REFUSED_401],
    ['B02 malformed ones do not pass through', ['basic-passthrough', 'anonymous'], 'Basic !', undefined, REFUSED_401],
    [
      'none that could pass through, where nobody may call',
      ['basic-passthrough', 'anonymous'],
      'Bearer a',
      undefined,
      'anonymous by anonymous',
    ],
    ['a certificate before what passes through', ['mtls', 'basic-passthrough'], WRONG, known, 'reports by mtls'],
    ['B01 no credentials', ['basic'], undefined, undefined, REFUSED_401],
    ['B01 another scheme', ['basic'], 'Bearer abc', undefined, REFUSED_401],
    ['B01 a wrong password', ['basic'], WRONG, undefined, REFUSED_401],
    ['B01 an unknown user', ['basic'], `Basic ${encode('nobody:right')}`, undefined, REFUSED_401],
    ['B02 malformed credentials', ['basic'], 'Basic !', undefined, REFUSED_401],
    ['B02 an empty field', ['basic'], '', undefined, REFUSED_401],
    ['right credentials', ['basic'], RIGHT, undefined, 'billing by basic'],
    ['B07 no certificate', ['mtls'], undefined, undefined, REFUSED_403],
    ['B07 a password where only a certificate would do', ['mtls'], RIGHT, undefined, REFUSED_403],
    ['B07 a certificate of nobody', ['mtls'], undefined, stranger, REFUSED_403],
    ['B06 an expired certificate', ['mtls'], undefined, expired, REFUSED_403],
    ['B07 a known certificate', ['mtls'], undefined, known, 'reports by mtls'],
    ['a certificate where only a password would do', ['basic'], undefined, known, REFUSED_401],
    ['the first way that finds credentials: certificate', ['mtls', 'basic'], RIGHT, known, 'reports by mtls'],
    ['the first way that finds credentials: password', ['basic', 'mtls'], RIGHT, known, 'billing by basic'],
    ['no fall back from a strange certificate to a right password', ['mtls', 'basic'], RIGHT, stranger, REFUSED_401],
    ['no fall back from a wrong password to a known certificate', ['basic', 'mtls'], WRONG, known, REFUSED_401],
    ['the second way where the first finds nothing', ['mtls', 'basic'], RIGHT, undefined, 'billing by basic'],
    ['the second way, past another scheme', ['basic', 'mtls'], 'Bearer abc', known, 'reports by mtls'],
    ['nobody in particular', ['anonymous'], undefined, undefined, 'anonymous by anonymous'],
    ['nobody, although credentials are there that nobody asked for', ['anonymous'], WRONG, undefined, 'anonymous by anonymous'],
    ['nobody, where there are no credentials', ['basic', 'anonymous'], undefined, undefined, 'anonymous by anonymous'],
    ['nobody, with the own credentials of the application', ['basic', 'anonymous'], 'Bearer abc', undefined, 'anonymous by anonymous'],
    ['no fall back from a wrong password to anonymous', ['basic', 'anonymous'], WRONG, undefined, REFUSED_401],
    ['no fall back from malformed credentials to anonymous', ['basic', 'anonymous'], 'Basic\tx', undefined, REFUSED_401],
    ['no fall back from a strange certificate to anonymous', ['mtls', 'anonymous'], undefined, stranger, REFUSED_403],
    ['no fall back to an anonymous that is listed first', ['anonymous', 'basic'], WRONG, undefined, REFUSED_401],
    ['right credentials, although anonymous is listed first', ['anonymous', 'basic'], RIGHT, undefined, 'billing by basic'],
  ];

  test.each(table)('%s, on a listener with %j', async (_, ways, authorization, presented, expected) => {
    expect(await outcome(ways, authorization, presented)).toBe(expected);
  });

  test('B01 says the same whichever part was wrong', async () => {
    const authenticate = createAuthenticator({
      listener: listener.parse({ address: '127.0.0.1:0', authenticate: ['basic'] }),
      callers: {},
      clock,
      passwords: createPasswordCheck({ callers: {}, clock }),
    });
    const said = new Set<string>();
    for (const field of [undefined, 'Bearer abc', RIGHT, WRONG, 'Basic !']) {
      try {
        await authenticate(request(field));
      } catch (error) {
        said.add((error as Error).message);
      }
    }
    expect(said.size).toBe(1);
  });

  test('B05 knows a caller at once, without a promise, after the first time', async () => {
    const passwords = createPasswordCheck({ callers, clock, verify: async () => true });
    const authenticators = [0, 1].map(() =>
      createAuthenticator({ listener: listener.parse({ address: '127.0.0.1:0', authenticate: ['basic'] }), callers, clock, passwords }),
    );
    const first = await authenticators[0]!(request(RIGHT));
    expect(authenticators.map((authenticate) => authenticate(request(RIGHT)))).toEqual([first, first]);
  });
});
