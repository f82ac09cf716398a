import { describe, expect, test } from '@jest/globals';
import { bent, type Loose, load, said, useDirectory, verdict } from './fixture.ts';

const directory = useDirectory();
const file = () => directory.path('sidecar.config.json');
const problemsAfter = async (bend: (config: Loose) => void) => said((await verdict(file(), bent(bend))).problems);

const NO_DURATION = 'is not a duration; write it with a unit, such as 500ms, 30s, 5m or 1h30m (at most 366d)';
const NO_SIZE = 'is not a size; write it with a unit, such as 512B, 64KiB or 10MiB';

describe('K04 durations', () => {
  const grace = (value: unknown) => (config: Loose) => {
    config['shutdown'] = { grace: value };
  };

  test.each(['-1s', '1e9s', 'NaN', 'Infinity', '', '5', ' 5s', '1.5s', '5 s', '1000000000s', '367d', '5S', '٥s'])(
    'refuse %j',
    async (text) => {
      expect(await problemsAfter(grace(text))).toEqual([`shutdown.grace ${NO_DURATION}`]);
    },
  );

  test.each([0, 25, null, true, [], {}])('refuse %j, which is no string', async (value) => {
    expect(await problemsAfter(grace(value))).toEqual(['shutdown.grace must be a string such as "30s"']);
  });

  test('are bounded where more or less makes no sense', async () => {
    const server = (settings: object) => (config: Loose) => Object.assign(config['authorizationServers'].acme, settings);
    expect(await problemsAfter(server({ timeout: '99ms' }))).toEqual([
      'authorizationServers.acme.timeout is too short; the least is 100ms',
    ]);
    expect(await problemsAfter(server({ timeout: '301s' }))).toEqual(['authorizationServers.acme.timeout is too long; the most is 5m']);
    expect(await problemsAfter(server({ timeout: '5m', connectTimeout: '100ms' }))).toEqual([]);
    expect(await problemsAfter((config) => Object.assign(config['tokens'].orders, { renew: { minInterval: '0s' } }))).toEqual([
      'tokens.orders.renew.minInterval is too short; the least is 1ms',
    ]);
  });

  test('are no longer than a timer of Node can wait, where one does: longer ones would be over at once', async () => {
    const [week, more] = ['7d', '7d1ms'];
    const all = (text: string) => (config: Loose) => {
      config['shutdown'] = { delay: text, grace: text };
      config['listeners'].local.limits = { headTimeout: text, idleTimeout: text };
      config['tokens'].orders.renew = { minInterval: text };
      config['routes'].orders.timeouts = { connect: text };
    };
    expect(await problemsAfter(all(week))).toEqual([]);
    expect((await problemsAfter(all(more))).sort()).toEqual(
      [
        'listeners.local.limits.headTimeout',
        'listeners.local.limits.idleTimeout',
        'routes.orders.timeouts.connect',
        'shutdown.delay',
        'shutdown.grace',
        'tokens.orders.renew.minInterval',
      ].map((path) => `${path} is too long; the most is 7d`),
    );
  });

  test('become milliseconds', async () => {
    const { config } = await load(
      file(),
      bent((draft) => {
        draft['shutdown'] = { delay: '0s', grace: '1d1h1m1s1ms' };
      }),
    );
    expect(config.shutdown).toEqual({ delay: 0, grace: 90_061_001 });
  });
});

describe('K04 sizes', () => {
  const body = (value: unknown) => (config: Loose) => {
    config['routes'].orders.maxBody = value;
  };

  test.each(['-1B', '1e9B', 'NaN', '', '5', '5KB', '5kib', '1.5MiB', '9999999999999GiB', '999999999999GiB'])('refuse %j', async (text) => {
    expect(await problemsAfter(body(text))).toEqual([`routes.orders.maxBody ${NO_SIZE}`]);
  });

  test('are bounded where more or less makes no sense', async () => {
    const limits = (maxHeader: string) => (config: Loose) => {
      config['listeners'].local.limits = { maxHeader };
    };
    expect(await problemsAfter(body('0B'))).toEqual(['routes.orders.maxBody is too small; the least is 1B']);
    expect(await problemsAfter(limits('1023B'))).toEqual(['listeners.local.limits.maxHeader is too small; the least is 1024B']);
    expect(await problemsAfter(limits('2MiB'))).toEqual(['listeners.local.limits.maxHeader is too large; the most is 1048576B']);
    expect(await problemsAfter(limits('1KiB'))).toEqual([]);
  });
});

describe('K04 addresses', () => {
  const at = (address: unknown) => (config: Loose) => {
    config['listeners'].local.address = address;
  };

  test.each([
    '8080',
    ':8080',
    '127.0.0.1',
    '127.0.0.1:65536',
    '127.0.0.1:-1',
    '[::1',
    '[::gg]:1',
    'http://127.0.0.1:1',
    'unix:',
    'unix:relative',
    `unix:/${'x'.repeat(107)}`,
  ])('refuse %j', async (text) => {
    expect(await problemsAfter(at(text))).toEqual([
      'listeners.local.address is not an address; write host:port, [v6]:port or unix:/path (absolute, at most 107 bytes)',
    ]);
  });

  test('take the whole range of ports and a socket path of any sensible length', async () => {
    for (const text of ['127.0.0.1:0', '127.0.0.1:65535', '[::1]:1', `unix:/${'x'.repeat(106)}`])
      expect(await problemsAfter(at(text))).toEqual([]);
  });
});

describe('K04 URLs', () => {
  const to = (upstream: unknown) => (config: Loose) => {
    config['routes'].orders.upstream = upstream;
  };

  test.each([
    ['orders.example', 'is not a URL; write it in full, such as https://api.example.com/v1'],
    ['ftp://orders.example', 'is not an http or https URL'],
    ['https://canary:secret@orders.example', 'holds a user or password; give credentials by reference, never in a URL'],
    ['https://orders.example/#top', 'holds a fragment; remove it'],
    ['https://orders.example/?key=canary', "holds a query; remove it, since the caller's is passed on"],
  ])('refuse %j', async (text, expected) => {
    expect(await problemsAfter(to(text))).toEqual([`routes.orders.upstream ${expected}`]);
  });
});
