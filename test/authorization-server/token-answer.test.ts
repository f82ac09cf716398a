import { describe, expect, test } from '@jest/globals';
import type { AnswerRules } from '../../src/authorization-server/answer-facts.ts';
import type { Answer } from '../../src/authorization-server/call.ts';
import { readTokenAnswer } from '../../src/authorization-server/token-answer.ts';

const NOW = Date.parse('2026-11-22T12:00:00Z');

function answer(status: number, body: string | object | Buffer, fields: Record<string, string> = {}): Answer {
  const bytes = Buffer.isBuffer(body) ? body : Buffer.from(typeof body === 'string' ? body : JSON.stringify(body));
  return { status, field: (name) => fields[name], body: bytes, tooLarge: false };
}

function read(given: Answer, rules: Partial<AnswerRules> = {}) {
  return readTokenAnswer(given, { maxSize: 8192, tokenTypes: ['bearer'], now: NOW, grant: 'client_credentials', secrets: [], ...rules });
}

const good = { access_token: 'at', token_type: 'Bearer', expires_in: 3600 };

function jwt(claims: object): string {
  return ['{"alg":"none"}', JSON.stringify(claims), 'x'].map((part) => Buffer.from(part).toString('base64url')).join('.');
}

describe('token answer', () => {
  test('accepts a plain answer', () => {
    expect(read(answer(200, good))).toEqual({ accessToken: 'at', lifetimeMs: 3_600_000, scope: undefined, missingScope: [] });
  });

  test.each([
    ['missing', undefined, 'token_missing'],
    ['empty', '', 'token_missing'],
    ['a number', 7, 'token_missing'],
    ['an object', {}, 'token_missing'],
    ['with CR LF', 'a\r\nX: y', 'token_malformed'],
    ['with a tab', 'a\tb', 'token_malformed'],
    ['with a space', 'a b', 'token_malformed'],
    ['not ASCII', 'tökén', 'token_malformed'],
    ['of 9 KiB', 'a'.repeat(9 * 1024), 'token_too_large'],
  ])('T02 an access token %s is nonsense', (_what, value, reason) => {
    expect(() => read(answer(200, { ...good, access_token: value }))).toThrow(
      expect.objectContaining({ failureClass: 'nonsense', reason }),
    );
  });

  test.each([
    [400, 'invalid_client', true],
    [401, 'unauthorized_client', true],
    [400, 'unauthorized_client', false],
    [401, 'invalid_grant', false],
  ])('T05 a status %i with "%s" is about the proof of the client: %s', (status, error, clientRefused) => {
    expect(() => read(answer(status, { error }))).toThrow(expect.objectContaining({ reason: error, clientRefused }));
  });

  test('T02 accepts what real tokens are made of, beyond b64token', () => {
    expect(read(answer(200, { ...good, access_token: '00D!AQ~(x)*{y}' })).accessToken).toBe('00D!AQ~(x)*{y}');
  });

  test.each([
    ['absent', undefined, undefined],
    ['null', null, undefined],
    ['a string of digits', '3600', 3_600_000],
    ['a fraction', 3600.7, 3_600_000],
    ['huge', 1e12, 1e15],
  ])('T03 expires_in %s is accepted', (_what, value, expected) => {
    expect(read(answer(200, { ...good, expires_in: value })).lifetimeMs).toBe(expected);
  });

  test.each([
    ['negative', -1],
    ['zero', 0],
    ['true', true],
    ['text', 'abc'],
    ['digits and text', '3600abc'],
    ['"0"', '0'],
    ['a list', [1]],
  ])('T03 expires_in %s is nonsense', (_what, value) => {
    expect(() => read(answer(200, { ...good, expires_in: value }))).toThrow(
      expect.objectContaining({ failureClass: 'nonsense', reason: 'expires_in_invalid' }),
    );
  });

  test("believes a JWT's own end when it is nearer, on the server's clock", () => {
    const exp = NOW / 1000 + 60;
    expect(read(answer(200, { ...good, access_token: jwt({ exp }) })).lifetimeMs).toBe(60_000);
    const skewed = { date: new Date(NOW - 3_600_000).toUTCString() };
    expect(read(answer(200, { ...good, expires_in: undefined, access_token: jwt({ exp: exp - 3600 }) }, skewed)).lifetimeMs).toBe(60_000);
  });

  test('an expired JWT is nonsense, whatever expires_in says', () => {
    expect(() => read(answer(200, { ...good, access_token: jwt({ exp: NOW / 1000 - 1 }) }))).toThrow(
      expect.objectContaining({ failureClass: 'nonsense', reason: 'token_expired' }),
    );
  });

  test.each<[string, string | Buffer]>([
    ['HTML', '<html>'],
    ['empty', ''],
    ['truncated', '{"access_token":"at","tok'],
    ['a list', '[]'],
    ['UTF-16', Buffer.from('{"access_token":"at"}', 'utf16le')],
    ['not UTF-8', Buffer.from([0x7b, 0xff, 0x7d])],
  ])('T04 a 200 that is %s is transient', (_what, body) => {
    expect(() => read(answer(200, body))).toThrow(expect.objectContaining({ failureClass: 'transient', reason: 'answer_unreadable' }));
  });

  test('T04 a byte order mark is no reason to refuse', () => {
    expect(read(answer(200, Buffer.from(`\ufeff${JSON.stringify(good)}`))).accessToken).toBe('at');
  });

  test.each([
    [201, good, 'transient', 'http_201'],
    [204, '', 'transient', 'http_204'],
    [301, '', 'nonsense', 'http_301'],
    [302, good, 'nonsense', 'http_302'],
    [307, '', 'nonsense', 'http_307'],
    [400, { error: 'invalid_client' }, 'permanent', 'invalid_client'],
    [400, { error: 'invalid_scope' }, 'permanent', 'invalid_scope'],
    [400, { error: 'invalid_grant' }, 'permanent', 'invalid_grant'],
    [400, { error: 'a very odd error' }, 'permanent', 'http_400'],
    [400, { error: 'temporarily_unavailable' }, 'transient', 'temporarily_unavailable'],
    [400, { error: 7 }, 'nonsense', 'http_400'],
    [400, 'no', 'nonsense', 'http_400'],
    [401, '', 'permanent', 'invalid_client'],
    [403, '<html>blocked</html>', 'nonsense', 'http_403'],
    [405, '', 'nonsense', 'http_405'],
    [429, { error: 'slow' }, 'transient', 'http_429'],
    [500, { error: 'invalid_client' }, 'transient', 'http_500'],
    [503, '', 'transient', 'http_503'],
  ])('T05 status %i with %j is %s (%s)', (status, body, failureClass, reason) => {
    expect(() => read(answer(status, body))).toThrow(expect.objectContaining({ failureClass, reason }));
  });

  test('T05 a refused resource owner is told apart from a refused client', () => {
    const refused = answer(400, { error: 'invalid_grant' });
    expect(() => read(refused, { grant: 'password' })).toThrow(expect.objectContaining({ resourceOwnerRefused: true }));
    expect(() => read(refused)).toThrow(expect.objectContaining({ resourceOwnerRefused: false }));
  });

  test('an error beside a token is nonsense', () => {
    expect(() => read(answer(200, { ...good, error: 'x' }))).toThrow(
      expect.objectContaining({ failureClass: 'nonsense', reason: 'error_in_success' }),
    );
  });

  test('token types are those of the config', () => {
    expect(() => read(answer(200, { ...good, token_type: 'mac' }))).toThrow(expect.objectContaining({ reason: 'token_type_unexpected' }));
    expect(() => read(answer(200, { ...good, token_type: undefined }))).toThrow(
      expect.objectContaining({ reason: 'token_type_unexpected' }),
    );
    expect(read(answer(200, { ...good, token_type: undefined }), { tokenTypes: ['bearer', ''] }).accessToken).toBe('at');
    expect(read(answer(200, { ...good, token_type: 'BearerToken' }), { tokenTypes: ['bearertoken'] }).accessToken).toBe('at');
  });

  test.each([
    ['7', 7_000],
    ['0', 0],
    [new Date(NOW + 30_000).toUTCString(), 30_000],
    ['soon', undefined],
    ['1000000000', 300_000],
    ['-5', 0],
  ])('T08 Retry-After %s is read and bounded', (value, expected) => {
    expect(() => read(answer(429, '', { 'retry-after': value }))).toThrow(expect.objectContaining({ retryAfterMs: expected }));
  });

  test('X06 what the server says is cut and kept on one line', () => {
    const description = `<b>no</b>\n\u001b[31mred ${'x'.repeat(100_000)}`;
    try {
      read(answer(400, { error: 'invalid_scope', error_description: description }));
      throw new Error('accepted');
    } catch (error) {
      expect((error as { said: string }).said).toMatch(/^[\x20-\x7e]{1,300}$/);
    }
  });
});
