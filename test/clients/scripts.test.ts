/** curl and wget in the ways that scripts use them. */

import { afterAll, afterEach, beforeAll, expect, test } from '@jest/globals';
import { describeInstalled } from '../helpers/proxy-program.ts';
import { type CalledBroker, linesOf, PROXIED, startCalledBroker } from './called-broker.ts';

let broker: CalledBroker;
beforeAll(async () => {
  broker = await startCalledBroker();
});
afterEach(() => broker.expectNothingLeaked());
afterAll(() => broker.close());

const PROXY = () => `http://127.0.0.1:${broker.port()}`;

describeInstalled('curl')('curl', () => {
  const KNOWN = ['-u', 'billing:secret'];
  const UPLOAD = () => ['--data-binary', `@${broker.file('body')}`];
  const THROUGH = () => ['-x', `http://billing:secret@127.0.0.1:${broker.port()}`];
  const curl = (...args: string[]) => linesOf('curl', ['-sS', '-m', '30', '-w', ' %{http_code} %{http_version}\n', ...args]);

  test.each([
    ['Basic', () => [...KNOWN, broker.url()], ['GET / 0 200 1.1']],
    ['whatever it is asked for', () => ['--anyauth', ...KNOWN, ...UPLOAD(), broker.url()], ['POST / 300000 200 1.1']],
    ['a file', () => [...KNOWN, '-T', broker.file('body'), broker.url()], ['PUT /body 300000 200 1.1']],
    ['chunks', () => [...KNOWN, ...UPLOAD(), '-H', 'Transfer-Encoding: chunked', broker.url()], ['POST / 300000 200 1.1']],
    ['Expect', () => [...KNOWN, ...UPLOAD(), '-H', 'Expect: 100-continue', broker.url()], ['POST / 300000 200 1.1']],
    ['HTTP/1.0', () => [...KNOWN, '--http1.0', broker.url()], ['GET / 0 200 1.1']],
    ['an offer of HTTP/2', () => [...KNOWN, '--http2', ...UPLOAD(), broker.url()], ['POST / 300000 200 1.1']],
    ['an offer of HTTP/2 to who knows it', () => [...KNOWN, '--http2', ...UPLOAD(), broker.url('h2c')], ['POST / 300000 200 1.1']],
    ['HTTP/2 from the start', () => [...KNOWN, '--http2-prior-knowledge', ...UPLOAD(), broker.url('h2c')], ['POST / 300000 200 2']],
    ['TLS', () => [...KNOWN, '--cacert', broker.file('ca.crt'), broker.url('tls')], ['GET / 0 200 2']],
    ['TLS with HTTP/1.1', () => [...KNOWN, '--http1.1', '--cacert', broker.file('ca.crt'), broker.url('tls')], ['GET / 0 200 1.1']],
    ['a socket', () => [...KNOWN, '--unix-socket', broker.file('broker.sock'), 'http://localhost/api/'], ['GET / 0 200 1.1']],
    ['a proxy', () => [...THROUGH(), ...KNOWN, PROXIED], ['GET / 0 200 1.1']],
    [
      'a proxy that asks',
      () => ['-x', PROXY(), '--proxy-user', 'billing:secret', '--proxy-anyauth', ...UPLOAD(), PROXIED],
      ['POST / 300000 200 1.1'],
    ],
    ['a tunnel', () => [...THROUGH(), 'https://orders.acme.example/v1'], ['000 0', expect.stringMatching(/501/)]],
    ['a question', () => [...KNOWN, '-G', '--data-urlencode', 'q=a b&c', broker.url()], ['GET /?q=a+b%26c 0 200 1.1']],
  ])('with %s', async (_what, args, lines) => {
    expect(await curl(...args())).toEqual(lines);
  });

  test('with --digest, which nobody asked for, is told 401', async () => {
    expect((await curl('--digest', ...KNOWN, ...UPLOAD(), broker.url())).join('\n')).toMatch(/CALLER_UNAUTHENTICATED[\s\S]*401 1\.1$/);
  });
});

describeInstalled('wget')('wget', () => {
  const KNOWN = ['--user=billing', '--password=secret'];

  test.each([
    ['asked for credentials', () => [...KNOWN, broker.url()], 'GET / 0'],
    ['asked for credentials with a body', () => [...KNOWN, `--post-file=${broker.file('body')}`, broker.url()], 'POST / 300000'],
    ['unasked', () => [...KNOWN, '--auth-no-challenge', broker.url()], 'GET / 0'],
    [
      'through a proxy',
      () => ['-e', 'use_proxy=yes', '-e', `http_proxy=${PROXY()}`, '--proxy-user=billing', '--proxy-password=secret', PROXIED],
      'GET / 0',
    ],
  ])('%s', async (_what, args, line) => {
    expect(await linesOf('wget', ['-q', '-O', '-', '-T', '30', '-t', '1', ...args()])).toEqual([line]);
  });
});
