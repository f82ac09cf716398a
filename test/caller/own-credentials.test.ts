/** The caller's own credentials: found in one place only, and strictly read there. */

import { describe, expect, test } from '@jest/globals';
import { type OwnCredentialsOptions, readOwnCredentials } from '../../src/caller/own-credentials.ts';
import type { BrokerError } from '../../src/errors.ts';
import { HttpRequest } from '../../src/listener/caller-request.ts';

const BASIC = { in: 'basic' } as const;
const BEARER = { in: 'bearer' } as const;
const FIELD = { in: 'field', field: 'X-Subject' } as const;

interface Asked {
  readonly listener?: string;
  readonly authority?: string;
  readonly isSaml?: boolean;
}

/** Name and secret of what is found, or the challenge where nothing is. */
function find(
  place: OwnCredentialsOptions['place'],
  fields: readonly string[],
  { listener = 'open', authority, isSaml = false }: Asked = {},
) {
  const peer = { address: '127.0.0.1', encrypted: false, certificate: undefined };
  const facts = { id: 'id', version: '1.1', method: 'GET', target: '/', host: 'a', body: undefined, upgrade: undefined } as const;
  const request = new HttpRequest({ ...facts, listener, authority, fields, peer });
  try {
    const { username, secret } = readOwnCredentials({ place, isSaml, listeners: new Set(['open']) })(request);
    return [username, secret];
  } catch (error) {
    const { code, status, fields: said } = error as BrokerError;
    return [code, status, ...said];
  }
}

const basic = (text: string) => `Basic ${Buffer.from(text).toString('base64')}`;

const NO_BASIC = ['CALLER_UNAUTHENTICATED', 401, 'WWW-Authenticate', 'Basic realm="token-broker", charset="UTF-8"'];
const NO_BEARER = ['CALLER_UNAUTHENTICATED', 401, 'WWW-Authenticate', 'Bearer realm="token-broker"'];
const NO_FIELD = ['CALLER_UNAUTHENTICATED', 401, 'WWW-Authenticate', 'Field realm="token-broker", name="X-Subject"'];

describe('own credentials', () => {
  test.each([
    [BASIC, basic('ann:pw'), NO_BASIC],
    [BEARER, 'Bearer abc', NO_BEARER],
    [FIELD, 'Bearer abc', NO_FIELD],
  ])('are not looked for where the listener judges such itself (%j)', (place, authorization, refusal) => {
    const fields = ['Authorization', authorization, 'X-Subject', 'abc'];
    expect(find(place, fields, { listener: 'judging' })).toEqual(refusal);
    expect(find(place, fields)).not.toEqual(refusal);
  });

  test('are name and password in Basic, neither of them empty, at a proxy in the field for proxies', () => {
    expect(find(BASIC, ['authorization', basic('ann:p:w')])).toEqual(['ann', 'p:w']);
    for (const text of ['ann:', ':pw', 'ann']) expect(find(BASIC, ['Authorization', basic(text)])).toEqual(NO_BASIC);
    for (const fields of [[], ['Authorization', 'Bearer abc']]) expect(find(BASIC, fields)).toEqual(NO_BASIC);
    const both = ['Authorization', basic('own:one'), 'Proxy-Authorization', basic('ann:pw')];
    expect(find(BASIC, both, { authority: 'a' })).toEqual(['ann', 'pw']);
    expect(find(BASIC, [], { authority: 'a' })).toEqual(['CALLER_UNAUTHENTICATED', 407, 'Proxy-Authenticate', NO_BASIC[3]]);
  });

  test.each([
    'Bearer',
    'Bearer ',
    'Bearer\tabc',
    'Basic bearer abc',
    'XBearer abc',
    'Bearer a b',
    'Bearer \xe9',
    'Bearer a\xe9',
    'Bearer a\x7f',
  ])('are no token in %j', (authorization) => {
    expect(find(BEARER, ['Authorization', authorization])).toEqual(NO_BEARER);
  });

  test('are a token of any visible bytes, also of a request to a proxy in Authorization', () => {
    expect(find(BEARER, ['Authorization', 'bEARER  !a~'])).toEqual([undefined, '!a~']);
    expect(find(BEARER, ['Authorization', 'Bearer abc', 'Proxy-Authorization', 'Bearer no'], { authority: 'a' })).toEqual([
      undefined,
      'abc',
    ]);
    expect(find(BEARER, [], { authority: 'a' })).toEqual(NO_BEARER);
  });

  test('are what a field of their own holds, where there is one line of it', () => {
    expect(find(FIELD, ['x-subject', 'abc'])).toEqual([undefined, 'abc']);
    for (const fields of [[], ['X-Subject', ''], ['X-Subject', 'a b'], ['X-Subject', 'a', 'x-subject', 'a']])
      expect(find(FIELD, fields)).toEqual(NO_FIELD);
  });

  test('are an assertion in either alphabet of base64, of UTF-8 alone', () => {
    const xml = '<a>??>>\u00fc</a>';
    const bytes = Buffer.from(xml);
    for (const text of [bytes.toString('base64'), bytes.toString('base64url'), bytes.toString('base64').replaceAll('=', '')])
      expect(find(FIELD, ['X-Subject', text], { isSaml: true })).toEqual([undefined, xml]);
    for (const text of ['', '=', 'a', '<a/>', `${bytes.toString('base64')}===`, Buffer.of(0xff).toString('base64')])
      expect(find(FIELD, ['X-Subject', text], { isSaml: true })).toEqual(NO_FIELD);
  });
});
