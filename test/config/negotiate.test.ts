import { chmod, writeFile } from 'node:fs/promises';
import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { readPrincipals } from '../../src/config/keytab.ts';
import { holeOf, keytabOf } from '../helpers/keytab.ts';
import { bent, type Loose, said, useDirectory, verdict } from './fixture.ts';

const directory = useDirectory();
const HTTP = 'HTTP/broker.example@EXAMPLE';
const HOST = 'host/broker.example@EXAMPLE';

/** What is said of a config whose listener takes tickets, problems and warnings. */
async function judged(bend: (config: Loose) => void, keytab: Uint8Array | string = keytabOf(HTTP, HOST), mode = 0o600): Promise<string[]> {
  await writeFile(directory.path('http.keytab'), keytab);
  await chmod(directory.path('http.keytab'), mode);
  const config = bent((raw) => {
    raw['listeners'].local = { address: '127.0.0.1:0', authenticate: ['negotiate'], negotiate: { keytab: 'http.keytab' } };
    raw['callers'] = { ann: { negotiate: { principal: 'ann@EXAMPLE' } } };
    raw['routes'].orders.callers = ['*'];
    bend(raw);
  });
  const { problems, warnings } = await verdict(directory.path('sidecar.config.json'), config);
  return said([...problems, ...warnings]);
}

describe('a keytab', () => {
  test('tells its principals, each once, across holes', () => {
    const [first, second] = [keytabOf(HTTP, HTTP), keytabOf('a/b/c@R').subarray(2)];
    expect(readPrincipals(Buffer.concat([first, holeOf(30), second]))).toEqual([HTTP, 'a/b/c@R']);
    expect(readPrincipals(keytabOf())).toEqual([]);
  });

  test('ends where it says so', () => {
    expect(readPrincipals(Buffer.concat([keytabOf(HTTP), Buffer.alloc(4), Buffer.from('anything')]))).toEqual([HTTP]);
  });

  test('is none where its beginning is another, or an entry is cut', () => {
    expect(readPrincipals(Buffer.from('hello'))).toBeUndefined();
    expect(readPrincipals(Buffer.from([5, 1, 0, 0]))).toBeUndefined();
    expect(readPrincipals(keytabOf(HTTP).subarray(0, 20))).toBeUndefined();
  });

  test('may hold any bytes: it is judged, and nothing fails', () => {
    fc.assert(
      fc.property(fc.uint8Array(), (bytes) => {
        const found = readPrincipals(Buffer.concat([Buffer.from([5, 2]), bytes]));
        return found === undefined || Array.isArray(found);
      }),
    );
  });
});

describe('a listener with "negotiate"', () => {
  test('needs a keytab with a key of a service HTTP', async () => {
    expect(await judged(() => {})).toEqual([]);
    expect(await judged((raw) => delete raw['listeners'].local.negotiate)).toEqual([
      'listeners.local.authenticate[0] is "negotiate", and nothing says where its keys are; give "negotiate.keytab"',
    ]);
    expect(await judged(() => {}, keytabOf(HOST))).toEqual([
      `listeners.local.negotiate.keytab holds no key of a principal "HTTP/…", but of ${HOST}; add one, or name another in "principal"`,
    ]);
    expect(await judged(() => {}, keytabOf())).toEqual([expect.stringContaining('but of none at all')]);
  });

  test('may take tickets for a principal that it names, if the keytab has that', async () => {
    const named = (principal: string | string[]) => (raw: Loose) => {
      raw['listeners'].local.negotiate.principal = principal;
    };
    expect(await judged(named(HOST), keytabOf(HOST))).toEqual([]);
    expect(await judged(named([HTTP, 'HTTP/else@EXAMPLE']))).toEqual([
      `listeners.local.negotiate.principal names "HTTP/else@EXAMPLE", and the keytab holds keys of ${HTTP}, ${HOST}; correct it, or add the key`,
    ]);
    expect(await judged(named('HTTP'))).toEqual([expect.stringContaining('principal is no principal; write it in full')]);
  });

  test('is told when its keytab is not there, is none, or is open to others', async () => {
    expect(await judged((raw) => (raw['listeners'].local.negotiate.keytab = 'else.keytab'))).toEqual([
      'listeners.local.negotiate.keytab names a file that does not exist; relative paths begin at the directory of the config',
    ]);
    expect(await judged(() => {}, 'PEM')).toEqual([expect.stringContaining('names a file that is no keytab, or not a whole one')]);
    expect(await judged(() => {}, keytabOf(HTTP), 0o644)).toEqual([
      'listeners.local.negotiate.keytab names a file that is open to other users (mode 0644); make it 0600 or 0400',
    ]);
  });

  test('has the keytab of all the others', async () => {
    const second = (keytab: string) => (raw: Loose) => {
      raw['listeners'].other = { address: '127.0.0.1:0', authenticate: ['negotiate'], negotiate: { keytab } };
    };
    expect(await judged(second('./http.keytab'))).toEqual([]);
    await writeFile(directory.path('second.keytab'), keytabOf(HTTP), { mode: 0o600 });
    expect(await judged(second('second.keytab'))).toEqual([
      'listeners.other.negotiate.keytab is another than that of "listeners.local", and the Kerberos library reads one in a process; put all keys into one, and tell them apart by "principal"',
    ]);
  });

  test('is told when the keytab has no use', async () => {
    const said = await judged((raw) => {
      raw['listeners'].local.authenticate = ['anonymous'];
      raw['routes'].orders.callers = ['anonymous'];
    });
    expect(said).toContain('listeners.local.negotiate has no effect; add "negotiate" to "authenticate", or remove it');
  });

  test('needs TLS where others can reach it', async () => {
    expect(await judged((raw) => (raw['listeners'].local.address = '0.0.0.0:8080'))).toEqual([
      'listeners.local.address takes tokens without TLS on an address that is not loopback; give "tls", listen on 127.0.0.1, or say "unsafePlaintext": true',
    ]);
  });

  test('lets nobody in where no caller has a principal', async () => {
    const said = await judged((raw) => {
      raw['callers'] = {};
    });
    expect(said).toContain('listeners.local.authenticate lets nobody in: no caller has any of these ways; define one under "callers"');
  });
});

describe('a caller with "negotiate"', () => {
  const principals = (...lists: unknown[]) =>
    judged((raw) => {
      raw['callers'] = Object.fromEntries(lists.map((principal, index) => [`c${index + 1}`, { negotiate: { principal } }]));
    });

  test.each(['ann', 'ann@', '@EXAMPLE', 'ann@*', 'ann@EX*', 'a@b@C', 'a//b@C', '/a@C', 'a\\b@C', 'a\nb@C'])(
    'has no principal %j',
    async (text) => {
      expect(await principals(text)).toEqual([expect.stringContaining('callers.c1.negotiate.principal is no principal; write NAME@REALM')]);
    },
  );

  test.each([['ann@EXAMPLE'], ['host/*@EXAMPLE.COM'], [['a@B', 'HTTP/x-*.y@B']], ['Ann Bé@EXAMPLE']])('may have %j', async (text) => {
    expect(await principals(text)).toEqual([]);
  });

  test('is told apart from the others', async () => {
    expect(await principals('ann@E', 'ann@E')).toEqual([
      'callers.c2.negotiate fits the same principals as "callers.c1"; each caller needs its own',
    ]);
    expect(await principals(['*@E', 'ann@E'], '*@E')).toEqual([expect.stringContaining('fits the same principals as "callers.c1"')]);
    expect(await principals('*@E', 'ann@E')).toEqual([]);
    expect(await principals('ann@E', '*@E')).toEqual([]);
    expect(await principals(['ann@E', 'bob@E'], ['bob@E', 'eve@E'])).toEqual([]);
  });
});

test('a token that is made from the bearer token of the caller does not fit in where "Authorization" holds a ticket', async () => {
  const said = await judged((raw) => {
    raw['tokens'].orders = { ...raw['tokens'].orders, grant: 'token_exchange', subject: 'caller' };
  });
  expect(said).toEqual([expect.stringContaining('routes.orders.token is made from what callers bring')]);
});
