import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { listener } from '../../src/config/schema/listeners.ts';
import { BrokerError } from '../../src/errors.ts';
import { checkRequestHead, type RequestHead } from '../../src/listener/request-head.ts';

const LIMITS = listener.parse({ address: '127.0.0.1:0', authenticate: ['basic'] }).limits;

const head = (parts: Partial<RequestHead> = {}): RequestHead => ({
  method: 'POST',
  target: '/orders',
  version: '1.1',
  fields: ['Host', 'localhost:8080'],
  ...parts,
});

const check = (parts: Partial<RequestHead>, limits = LIMITS) => checkRequestHead(head(parts), limits);

/** With a Host, which most cases are not about. */
const withFields = (...fields: string[]) => ({ fields: ['Host', 'localhost', ...fields] });

/** `undefined` when the head passes. Anything thrown but a refusal of the listener fails the test. */
function refusalOf(parts: Partial<RequestHead>, limits = LIMITS): BrokerError | undefined {
  try {
    check(parts, limits);
    return undefined;
  } catch (error) {
    if (error instanceof BrokerError && error.stage === 'listener' && error.close) return error;
    throw error;
  }
}

const refusal = (parts: Partial<RequestHead>, limits = LIMITS) => refusalOf(parts, limits)?.status;

describe('request head', () => {
  test('H06 tells host and framing', () => {
    expect(check({})).toMatchObject({ host: 'localhost', length: undefined, chunked: false });
    expect(check(withFields('Content-Length', '5'))).toMatchObject({ host: 'localhost', length: 5, chunked: false });
    expect(check(withFields('content-length', '0'))).toMatchObject({ length: 0, chunked: false });
    expect(check(withFields('Transfer-Encoding', 'chunked'))).toMatchObject({ length: undefined, chunked: true });
    expect(check(withFields('tRANSFER-eNCODING', 'Chunked'))).toMatchObject({ length: undefined, chunked: true });
    expect(check(withFields('Content-Length', String(Number.MAX_SAFE_INTEGER)))).toMatchObject({ length: Number.MAX_SAFE_INTEGER });
    expect(check({ version: '1.0', fields: [] })).toMatchObject({ host: '', length: undefined, chunked: false });
  });

  test.each([
    ['5, 5'],
    ['5,5'],
    ['+5'],
    ['-1'],
    ['0x5'],
    ['5e0'],
    ['5 5'],
    ['5.0'],
    ['0b1'],
    ['0o7'],
    ['5_0'],
    ['5;'],
    [''],
    [' 5'],
    ['5\t'],
    ['\u00b2'],
    ['Infinity'],
    ['18446744073709551621'],
    ['9007199254740992'],
  ])('H01 the length %j is refused', (value) => {
    expect(refusal(withFields('Content-Length', value))).toBe(400);
  });

  test.each([
    ['two equal lengths', ['Content-Length', '5', 'Content-Length', '5']],
    ['two different lengths', ['Content-Length', '5', 'content-length', '6']],
    ['a length, then an empty one', ['Content-Length', '5', 'Content-Length', '']],
    ['a length, then a coding', ['Content-Length', '5', 'Transfer-Encoding', 'chunked']],
    ['a coding, then a length', ['Transfer-Encoding', 'chunked', 'Content-Length', '5']],
    ['a length of nothing beside a coding', ['Content-Length', '0', 'Transfer-Encoding', 'chunked']],
    ['a length beside a coding that is unknown', ['Content-Length', '5', 'Transfer-Encoding', 'gzip']],
  ])('H01 %s: refused', (_, fields) => {
    expect(refusal(withFields(...fields))).toBe(400);
  });

  test.each([
    ['', 400],
    [',chunked', 400],
    ['chunked,', 400],
    ['chunked, chunked', 400],
    ['chunked, identity', 400],
    ['gzip, chunked', 400],
    ['"chunked"', 400],
    ['chunked;x=y', 400],
    ['chunked ', 400],
    ['\tchunked', 400],
    ['chun ked', 400],
    ['chunked\xa0', 400],
    ['xchunked', 501],
    ['gzip', 501],
    ['identity', 501],
  ])('H02 the coding %j is refused with %i', (value, status) => {
    expect(refusal(withFields('Transfer-Encoding', value))).toBe(status);
  });

  test('H02 two codings, or one in HTTP/1.0, are refused', () => {
    expect(refusal(withFields('Transfer-Encoding', 'chunked', 'Transfer-Encoding', 'chunked'))).toBe(400);
    expect(refusal(withFields('Transfer-Encoding', 'chunked', 'transfer-encoding', ''))).toBe(400);
    expect(refusal({ version: '1.0', ...withFields('Transfer-Encoding', 'chunked') })).toBe(400);
    expect(refusal({ version: '1.0', ...withFields('Transfer-Encoding', 'gzip') })).toBe(400);
  });

  test.each([
    ['localhost', 'localhost'],
    ['LOCALHOST:8080', 'localhost'],
    ['api.example.com:', 'api.example.com'],
    ['127.0.0.1:65535', '127.0.0.1'],
    ['[::1]', '[::1]'],
    ['[FE80::1]:80', '[fe80::1]'],
    ['my_service', 'my_service'],
    ['xn--bcher-kva.example', 'xn--bcher-kva.example'],
  ])('H08 the host %j is read as %s', (value, host) => {
    expect(check({ fields: ['hOST', value] }).host).toBe(host);
    expect(check({ version: '1.0', fields: ['Host', value] }).host).toBe(host);
  });

  test.each([
    '',
    ' ',
    'a/b',
    'u@a',
    'a:b:c',
    'a:b',
    'a b',
    ' a',
    'a:65536',
    'a:123456',
    'a:-1',
    ':80',
    'a,b',
    'a, a',
    'http://a',
    'a?b',
    'a#b',
    'a%2fb',
    'a\\b',
    '::1',
    '[::1',
    '::1]',
    '[]',
    '[1.2.3.4]',
    '[:::]',
    '[fe80::1%25eth0]',
    '[::1]x',
    'b\u00fccher',
  ])('H08 the host %j is refused', (value) => {
    expect(refusal({ fields: ['Host', value] })).toBe(400);
    expect(refusal({ version: '1.0', fields: ['Host', value] })).toBe(400);
  });

  test('H08 a host that is missing in HTTP/1.1, or repeated, is refused', () => {
    expect(refusal({ fields: [] })).toBe(400);
    expect(refusal({ fields: ['X-Host', 'localhost'] })).toBe(400);
    expect(refusal({ fields: ['Host', 'localhost', 'host', 'localhost'] })).toBe(400);
    expect(refusal({ fields: ['Host', '', 'Host', 'localhost'] })).toBe(400);
    expect(refusal({ version: '1.0', fields: ['Host', 'a', 'Host', 'b'] })).toBe(400);
  });

  test('N03 more than one credential of a kind is refused, whatever its case', () => {
    expect(refusal(withFields('Authorization', 'Basic x', 'Proxy-Authorization', 'Basic y'))).toBeUndefined();
    expect(refusal(withFields('Authorization', 'Basic x', 'authorization', 'Basic x'))).toBe(400);
    expect(refusal(withFields('Authorization', '', 'AUTHORIZATION', 'Basic x'))).toBe(400);
    expect(refusal(withFields('Proxy-Authorization', 'Basic x', 'proxy-authorization', 'Basic y'))).toBe(400);
  });

  test('N10 no control byte passes in a value, but for the tab; bytes beyond ASCII do', () => {
    for (let code = 0; code < 0x100; code += 1) {
      const isControl = (code < 0x20 && code !== 0x09) || code === 0x7f;
      for (const value of [`a${String.fromCharCode(code)}b`, String.fromCharCode(code)]) {
        expect([code, refusal(withFields('X-Note', value))]).toEqual([code, isControl ? 400 : undefined]);
      }
    }
    expect(refusal(withFields('X-Empty', ''))).toBeUndefined();
  });

  test('H13 names are tokens; strange ones are nobody else', () => {
    for (let code = 0; code < 0x100; code += 1) {
      const character = String.fromCharCode(code);
      const isToken = /[!#$%&'*+.^_`|~0-9A-Za-z-]/.test(character);
      expect([code, refusal(withFields(`X${character}`, 'x'))]).toEqual([code, isToken ? undefined : 400]);
    }
    for (const name of ['__proto__', 'constructor', 'hasOwnProperty', 'toString', 'x'.repeat(300)]) {
      expect(refusal(withFields(name, 'x', name, 'y'))).toBeUndefined();
    }
    for (const name of ['', 'Host ', ' Host', 'Content-Length ', 'Transfer-Encoding\t', 'Host:'])
      expect(refusal(withFields(name, '5'))).toBe(400);
  });

  test.each([
    ['GET', undefined],
    ['DELETE', undefined],
    ['M-SEARCH', undefined],
    ['PROPFIND', undefined],
    ['CONNECT', 501],
    ['TRACE', 405],
    ['get', 400],
    ['Trace', 400],
    ['connect', 400],
    ['', 400],
    ['GE T', 400],
    ['GET\0', 400],
    ['G\xcbT', 400],
  ])('H12 the method %j: %s', (method, status) => {
    expect(refusal({ method })).toBe(status);
  });

  test('H12 says with "Allow" what is allowed instead of TRACE', () => {
    expect(() => check({ method: 'TRACE' })).toThrow(
      expect.objectContaining({ fields: ['Allow', 'GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS'] }),
    );
  });

  test.each(['0.9', '1.2', '2.0', '1', '1.10', '', '1.1 '])('H12 version %j is refused with 505', (version) => {
    expect(refusal({ version })).toBe(505);
    expect(refusal({ version, method: 'PRI', target: '*', fields: [] })).toBe(505);
  });

  test('S09 an expectation other than 100-continue is refused with 417', () => {
    expect(refusal(withFields('Expect', '100-continue'))).toBeUndefined();
    expect(refusal(withFields('expect', '100-Continue'))).toBeUndefined();
    for (const value of ['', '200-ok', '100-continue, 200-ok', '100-continue;x']) expect(refusal(withFields('Expect', value))).toBe(417);
    expect(refusal(withFields('Expect', '100-continue', 'Expect', '100-continue'))).toBe(400);
  });

  test('S09 a caller of HTTP/1.0 is not told to go on', () => {
    for (const version of ['1.0', '1.1'])
      expect(check({ version, ...withFields('Expect', '100-continue') })).toMatchObject({ awaitsContinue: version === '1.1' });
  });

  test.each([
    ['1.1', [], true],
    ['1.1', ['Connection', 'close'], false],
    ['1.1', ['Connection', 'x', 'connection', 'Close'], false],
    ['1.1', ['Connection', 'disclose, closer'], true],
    ['1.1', ['User-Agent', 'close', 'X', 'close'], true],
    ['1.0', [], false],
    ['1.0', ['Connection', 'keep-alive'], true],
    ['1.0', ['Connection', 'x'], false],
    ['1.0', ['Connection', 'keep-alive, close'], false],
    ['1.0', ['User-Agent', 'keep-alive', 'X', 'keep-alive'], false],
  ] as const)('another request may follow in HTTP/%s with %j: %s', (version, fields, expected) => {
    expect(check({ version, ...withFields(...fields) }).persistent).toBe(expected);
  });

  test.each([
    ['GET', '1.1', ['Connection', 'Upgrade', 'Upgrade', 'websocket'], 'websocket'],
    ['GET', '1.1', ['Connection', 'x, upgrade', 'Upgrade', 'hixie-76', 'Upgrade', 'x/1'], 'hixie-76, x/1'],
    ['GET', '1.1', ['Connection', 'Upgrade'], undefined],
    ['GET', '1.1', ['Connection', 'Upgrade', 'Upgrade', ''], undefined],
    ['GET', '1.1', ['Connection', 'x', 'Upgrade', 'websocket'], undefined],
    ['GET', '1.1', ['X', 'upgrade', 'Upgrade', 'websocket'], undefined],
    ['GET', '1.1', ['User-Agent', 'upgrade', 'Upgrade', 'websocket'], undefined],
    ['GET', '1.0', ['Connection', 'Upgrade', 'Upgrade', 'websocket'], undefined],
    ['HEAD', '1.1', ['Connection', 'Upgrade', 'Upgrade', 'websocket'], undefined],
    ['PUT', '1.1', ['Connection', 'Upgrade', 'Upgrade', 'websocket', 'Content-Length', '1'], undefined],
    ['PUT', '1.1', ['Connection', 'Upgrade', 'Upgrade', 'websocket', 'Content-Length', '0'], 'websocket'],
    ['PUT', '1.1', ['Connection', 'Upgrade', 'Upgrade', 'websocket', 'Transfer-Encoding', 'chunked'], undefined],
  ] as const)('S10 a %s of HTTP/%s with %j asks for %j', (method, version, fields, expected) => {
    expect(check({ method, version, ...withFields(...fields) }).upgrade).toBe(expected);
  });

  test('S05 the limits are exact: target 414, number and size of fields 431', () => {
    expect(refusal({ target: `/${'a'.repeat(LIMITS.maxTarget - 1)}` })).toBeUndefined();
    expect(refusal({ target: `/${'a'.repeat(LIMITS.maxTarget)}` })).toBe(414);

    const fields = (count: number) => withFields(...Array.from({ length: count - 1 }, (_, index) => [`x-${index}`, 'y']).flat());
    expect(refusal(fields(LIMITS.maxFields))).toBeUndefined();
    expect(refusal(fields(LIMITS.maxFields + 1))).toBe(431);

    const overhead = 'POST /orders HTTP/1.1\r\nHost: localhost\r\nX: \r\n\r\n'.length;
    expect(refusal(withFields('X', 'y'.repeat(LIMITS.maxHeader - overhead)))).toBeUndefined();
    expect(refusal(withFields('X', 'y'.repeat(LIMITS.maxHeader - overhead + 1)))).toBe(431);
    expect(refusal(withFields('X'.repeat(LIMITS.maxHeader - overhead + 2), ''))).toBe(431);
    expect(refusal(withFields('X', 'y'), { ...LIMITS, maxHeader: overhead })).toBe(431);
    expect(refusal(withFields('X', 'y'), { ...LIMITS, maxHeader: overhead + 1 })).toBeUndefined();
  });

  test('says what is wrong without showing what was sent', () => {
    const secret = 'S3cr3tValue';
    const cases = [
      withFields('Authorization', secret, 'Authorization', secret),
      withFields('X', `${secret}\0`),
      withFields(`${secret}\0`, 'x'),
      withFields('Content-Length', secret),
      withFields('Transfer-Encoding', secret),
      withFields('Expect', secret),
      { fields: ['Host', `${secret}/`] },
      { method: `${secret}\0` },
      { target: `/${secret}`.repeat(1_000) },
      { version: secret },
    ];
    for (const parts of cases) {
      const message = refusalOf(parts)?.message;
      expect(message).toMatch(/^[a-zA-Z].*: \S/);
      expect(message).not.toContain(secret);
    }
  });

  test('H01 H02 of whatever is sent, only one plain reading of the framing passes', () => {
    const name = fc.constantFrom('Content-Length', 'content-length', 'Transfer-Encoding', 'transfer-encoding', 'Content_Length', 'X-Other');
    const value = fc.oneof(
      fc.constantFrom('5', '05', '5,5', 'chunked', 'Chunked', ' chunked', 'chunked, chunked', 'gzip', '', '\t5', '5\r', '0'),
      fc.string({ unit: 'binary-ascii', maxLength: 6 }),
    );
    let passed = 0;
    fc.assert(
      fc.property(fc.array(fc.tuple(name, value), { maxLength: 4 }), fc.constantFrom('1.0', '1.1'), (lines, version) => {
        const parts = { version, ...withFields(...lines.flat()) };
        if (refusal(parts) !== undefined) return;
        passed += 1;
        const { length, chunked } = check(parts);
        const valuesOf = (wanted: string) => lines.filter(([each]) => each.toLowerCase() === wanted).map(([, each]) => each);
        const lengths = valuesOf('content-length');
        const codings = valuesOf('transfer-encoding');
        expect(lengths.length + codings.length).toBeLessThanOrEqual(1);
        expect(length).toBe(lengths.length === 1 ? Number.parseInt(lengths[0]!, 10) : undefined);
        for (const each of lengths) expect(each).toMatch(/^[0-9]+$/);
        expect(chunked).toBe(codings.length === 1);
        for (const each of codings) expect([each.toLowerCase(), version]).toEqual(['chunked', '1.1']);
      }),
      { numRuns: 2_000 },
    );
    expect(passed).toBeGreaterThan(100);
  });

  test('H13 throws nothing but refusals, whatever comes', () => {
    const text = fc.string({ unit: fc.integer({ min: 0, max: 0xff }).map((code) => String.fromCharCode(code)), maxLength: 20 });
    const fields = fc.array(fc.tuple(text, text), { maxLength: 5 }).map((lines) => lines.flat());
    fc.assert(
      fc.property(text, text, fc.oneof(text, fc.constantFrom('1.0', '1.1')), fields, (method, target, version, lines) => {
        expect(refusal({ method, target, version, fields: lines })).not.toBe(500);
        expect(refusal(withFields(...lines))).not.toBe(500);
      }),
      { numRuns: 1_000 },
    );
  });
});
