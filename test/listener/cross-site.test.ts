import { describe, expect, test } from '@jest/globals';
import { listener } from '../../src/config/schema/listeners.ts';
import type { BrokerError } from '../../src/errors.ts';
import { createSiteGuard } from '../../src/listener/cross-site.ts';
import { createHeadCheck } from '../../src/listener/head-check.ts';
import type { Fields } from '../../src/message.ts';

type Parts = { address?: string; authenticate?: string[]; hosts?: string[] };

const guardFor = (parts: Parts) => createSiteGuard(listener.parse({ address: '127.0.0.1:0', authenticate: ['anonymous'], ...parts }));

function passes(parts: Parts, host: string, fields: Fields = [], isWhole = false): boolean {
  const guard = guardFor(parts);
  try {
    guard({ host, isWhole, fields });
    return true;
  } catch (error) {
    const { code, status, stage, close } = error as BrokerError;
    if (code === 'CALLER_FORBIDDEN' && status === 403 && stage === 'listener' && close) return false;
    throw error;
  }
}

describe('a head', () => {
  const check = createHeadCheck(listener.parse({ address: '127.0.0.1:0', authenticate: ['basic'], hosts: ['own.example'] }));
  const of = (target: string, host: string) => () => check({ method: 'GET', target, version: '1.1', fields: ['Host', host] });

  test('with a whole URL is judged by the host of that, whatever "Host" says', () => {
    expect(of('http://other.example/x', 'own.example')).toThrow('does not accept this "Host"');
    expect(of('http://own.example:81/x', 'other.example')()).toMatchObject({
      host: 'own.example',
      authority: 'own.example:81',
      target: '/x',
    });
  });
});

describe('site guard', () => {
  test('takes any host of a whole URL, which no page can have sent here, unless "hosts" says which', () => {
    expect(passes({}, 'api.example', [], true)).toBe(true);
    expect(passes({ hosts: ['api.example'] }, 'api.example', [], true)).toBe(true);
    expect(passes({ hosts: ['api.example'] }, 'other.example', [], true)).toBe(false);
    expect(passes({}, 'api.example', ['Origin', 'http://evil.example'], true)).toBe(false);
  });

  test.each(['localhost', 'app.localhost', '127.0.0.1', '127.8.9.1', '[::1]'])(
    'accepts the loopback host "%s" for anonymous callers',
    (host) => {
      expect(passes({}, host)).toBe(true);
      expect(passes({ authenticate: ['basic', 'anonymous'] }, host)).toBe(true);
    },
  );

  test.each(['evil.example', 'localhost.evil.example', '127.0.0.1.evil.example', '128.0.0.1', '[::2]', '0.0.0.0', 'notlocalhost'])(
    'refuses the host "%s" for anonymous callers, as after DNS rebinding',
    (host) => {
      expect(passes({}, host)).toBe(false);
      expect(passes({ authenticate: ['basic', 'anonymous'] }, host)).toBe(false);
    },
  );

  test('accepts a request of HTTP/1.0 without Host, which no browser sends, unless "hosts" says which', () => {
    expect(passes({}, '')).toBe(true);
    expect(passes({ hosts: ['sidecar.example'] }, '')).toBe(false);
    expect(passes({}, '', ['Origin', 'http://evil.example'])).toBe(false);
  });

  test('accepts any host where callers must authenticate', () => {
    for (const host of ['', 'evil.example', 'localhost']) expect(passes({ authenticate: ['basic'] }, host)).toBe(true);
  });

  test('accepts exactly the configured hosts, in any case, also where callers must authenticate', () => {
    for (const authenticate of [['basic'], ['anonymous']]) {
      const parts = { authenticate, hosts: ['Sidecar.example'] };
      expect(passes(parts, 'sidecar.example')).toBe(true);
      for (const host of ['', 'localhost', '127.0.0.1', 'x.sidecar.example']) expect(passes(parts, host)).toBe(false);
    }
  });

  test('accepts any host on a Unix socket, but for configured ones', () => {
    const address = 'unix:/run/token.sock';
    for (const host of ['', 'evil.example', 'localhost']) expect(passes({ address }, host)).toBe(true);
    expect(passes({ address, hosts: ['sidecar'] }, 'evil.example')).toBe(false);
  });

  test.each([
    ['Origin', 'https://evil.example'],
    ['origin', 'null'],
    ['ORIGIN', ''],
    ['Origin', 'http://localhost.evil.example'],
    ['Origin', 'http://localhost@evil.example'],
    ['Origin', 'http://localhost http://evil.example'],
    ['Origin', 'http://localhost/x'],
    ['Origin', 'file://localhost'],
    ['Origin', 'localhost'],
    ['Origin', 'chrome-extension://localhost'],
    ['Sec-Fetch-Site', 'cross-site'],
    ['sec-fetch-site', 'Cross-Site'],
  ])('refuses pages of other sites: %s: %s', (name, value) => {
    const fields = ['Accept', '*/*', name, value];
    expect(passes({}, 'localhost', fields)).toBe(false);
    expect(passes({ authenticate: ['basic', 'anonymous'] }, 'localhost', fields)).toBe(false);
    expect(passes({ address: 'unix:/run/token.sock' }, 'localhost', fields)).toBe(false);
    expect(passes({ hosts: ['sidecar'] }, 'sidecar', fields)).toBe(false);
    expect(passes({ authenticate: ['basic'] }, 'localhost', fields)).toBe(true);
  });

  test.each([
    ['Origin', 'http://localhost'],
    ['Origin', 'http://localhost:3000'],
    ['Origin', 'https://app.localhost:8443'],
    ['Origin', 'http://127.0.0.1:5173'],
    ['Origin', 'http://[::1]:80'],
    ['Sec-Fetch-Site', 'same-origin'],
    ['Sec-Fetch-Site', 'same-site'],
    ['Sec-Fetch-Site', 'none'],
    ['X-Origin', 'https://evil.example'],
  ])('lets pages of this machine pass: %s: %s', (name, value) => {
    expect(passes({}, 'localhost', [name, value])).toBe(true);
  });

  test('one line of another site is enough to refuse', () => {
    expect(passes({}, 'localhost', ['Origin', 'http://localhost', 'Origin', 'https://evil.example'])).toBe(false);
    expect(passes({}, 'localhost', ['Origin', 'http://localhost', 'Sec-Fetch-Site', 'cross-site'])).toBe(false);
  });

  test('pages of a configured host are of the same site', () => {
    expect(passes({ hosts: ['sidecar'] }, 'sidecar', ['Origin', 'http://sidecar:8080'])).toBe(true);
    expect(passes({ hosts: ['sidecar'] }, 'sidecar', ['Origin', 'http://other'])).toBe(false);
  });
});
