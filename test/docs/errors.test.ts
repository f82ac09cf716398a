/** docs/errors.md and the code say the same: codes, titles, every status, every `error=` of `Proxy-Status`. */

import { readFileSync } from 'node:fs';
import { describe, expect, test } from '@jest/globals';
import { createAuthenticator } from '../../src/caller/authenticate.ts';
import { createPasswordCheck } from '../../src/caller/password-check.ts';
import { listener } from '../../src/config/schema/listeners.ts';
import { type BrokerError, ERROR_KINDS, type ErrorCode, toBrokerError } from '../../src/errors.ts';
import { refuseLoop } from '../../src/listener/loop.ts';
import { refusalOf } from '../../src/listener/refusal.ts';
import { checkRequestHead } from '../../src/listener/request-head.ts';
import type { CallerRequest } from '../../src/message.ts';
import { createOffer } from '../../src/service/token-endpoint/offer.ts';
import { answerTimeout, connectTimeout, toUpstreamError } from '../../src/upstream/failure.ts';
import { ProxyFailure } from '../../src/wire/proxy-handshake.ts';
import { WireError } from '../../src/wire/wire-error.ts';

interface Section {
  readonly code: ErrorCode;
  readonly statuses: readonly number[];
  readonly title: string;
  readonly text: string;
}

const page = readFileSync(new URL('../../docs/errors.md', import.meta.url), 'utf8');
const sections: Section[] = page
  .split(/^## /m)
  .slice(1)
  .map((text) => {
    const [, code = '', first, more = '', title = ''] = /^(\w+)\n\n\*\*(\d{3})\*\*(?:, also ([\d, ]+))?: (.+)\n/.exec(text) ?? [];
    const statuses = [first, ...more.split(', ').filter((part) => part !== '')].map(Number);
    return { code: code as ErrorCode, statuses, title, text };
  });
const sectionOf = (code: string) => sections.find((section) => section.code === code) as Section;

const local = listener.parse({ address: '127.0.0.1:0', authenticate: ['basic'] });
const head = (more: object, fields: readonly string[] = []) =>
  refusalBy(() =>
    checkRequestHead({ method: 'GET', target: '/', version: '1.1', fields: ['Host', 'x', ...fields], ...more }, local.limits),
  );
const caller = (authenticate: 'basic' | 'mtls', authority?: string) =>
  refusalBy(() =>
    createAuthenticator({
      listener: { ...local, authenticate: [authenticate] },
      callers: {},
      passwords: createPasswordCheck({ callers: {} }),
    })({
      fields: [],
      peer: {},
      authority,
    } as unknown as CallerRequest),
  );

function refusalBy(action: () => unknown): BrokerError {
  try {
    action();
  } catch (error) {
    return toBrokerError(error);
  }
  throw new Error('nothing was refused');
}

/** One refusal for each status that is not the usual one of its code. */
const UNUSUAL = [
  head({ method: 'TRACE' }),
  head({}, ['Expect', 'wonders']),
  head({}, ['Transfer-Encoding', 'gzip']),
  head({ version: '2.0' }),
  head({ target: `/${'x'.repeat(10_000)}` }),
  head(
    {},
    Array.from({ length: 300 }, () => 'x'),
  ),
  head({ method: 'CONNECT' }),
  refusalBy(() => refuseLoop(['Via', '1.1 token-broker, 1.1 token-broker, 1.1 token-broker, 1.1 token-broker'])),
  refusalOf(new WireError('head', 'too large')),
  refusalOf(new WireError('target', 'too long')),
  refusalOf(new WireError('version', 'not supported')),
  caller('mtls'),
  caller('basic', 'api.example'),
  refusalBy(() => createOffer({})('orders', { name: 'billing', method: 'basic' })),
];

const AT_UPSTREAM = [
  ...['ECONNREFUSED', 'EHOSTUNREACH', 'ENOTFOUND', 'CERT_HAS_EXPIRED', 'ERR_SSL_TLSV1_ALERT_UNKNOWN_CA', 'EPROTO', 'ECONNRESET'].map(
    (code) => toUpstreamError({ code }),
  ),
  ...(['PROXY_UNREACHABLE', 'PROXY_CREDENTIALS', 'PROXY_REFUSED'] as const).map((code) => toUpstreamError(new ProxyFailure(code))),
  toUpstreamError(new WireError('malformed', 'the status line is malformed')),
  connectTimeout(),
  answerTimeout(),
];

describe('docs/errors.md', () => {
  test('has one heading for each code, in the order of the code, and no other', () => {
    expect(sections.map(({ code }) => code)).toEqual(Object.keys(ERROR_KINDS));
  });

  test.each(sections)('says of $code its usual status and its title', ({ code, statuses, title }) => {
    expect({ status: statuses[0], title }).toEqual({ status: ERROR_KINDS[code].status, title: ERROR_KINDS[code].title });
  });

  test('lists every other status that a code can have, and none that it cannot', () => {
    const documented = sections.flatMap(({ code, statuses }) => statuses.slice(1).map((status) => `${code} ${status}`));
    const possible = new Set(UNUSUAL.map(({ code, status }) => `${code} ${status}`));
    expect(documented.sort()).toEqual([...possible].sort());
  });

  test('a missing password is the usual case of a caller who is not authenticated', () => {
    expect(caller('basic').status).toBe(sectionOf('CALLER_UNAUTHENTICATED').statuses[0]);
  });

  test('names every type that Proxy-Status can have for an upstream, and none that it cannot', () => {
    const documented = sections
      .filter(({ code }) => code.startsWith('UPSTREAM_'))
      .flatMap(({ code, text }) => [...new Set(text.match(/`[a-z]+(?:_[a-z]+)+`/g))].map((type) => `${code} ${type}`));
    const possible = AT_UPSTREAM.map(({ code, proxyError }) => `${code} \`${proxyError}\``);
    expect(documented.sort()).toEqual([...new Set(possible)].sort());
  });

  test.each(sections)('says of $code what causes it, what the caller does and what the operator does', ({ text }) => {
    expect([...text.matchAll(/^- \*\*(\w+):\*\* \S/gm)].map(([, who]) => who)).toEqual(['Cause', 'Caller', 'Operator']);
  });
});
