/** Heads in both directions: read back as written, wherever the bytes are split; refused where they are no heads. */

import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { HeadReader } from '../../src/listener/http1/head-reader.ts';
import { fieldLinesText } from '../../src/wire/field-lines.ts';
import { HeadCollector } from '../../src/wire/head-collector.ts';
import { mayBecomeRequest, parseRequestHead } from '../../src/wire/request-head.ts';
import { mayBecomeResponse, parseResponseHead } from '../../src/wire/response-head.ts';
import { WireError } from '../../src/wire/wire-error.ts';
import { allSplits, cutAt, fieldList, places, tokenText, valueText } from '../helpers/pieces.ts';

const target = fc.string({ unit: fc.constantFrom(...'/?=&%abcXYZ019-._~:@!'.split('')), minLength: 1, maxLength: 30 });

/** The head, and what stands behind it. */
function collect(pieces: readonly Buffer[], maxBytes = 4_096): { text: string; rest: string } | undefined {
  const heads = new HeadCollector(maxBytes);
  for (const [index, piece] of pieces.entries()) {
    const text = heads.collect(piece, 0);
    if (text === undefined) continue;
    return { text, rest: Buffer.concat([piece.subarray(heads.next), ...pieces.slice(index + 1)]).toString('latin1') };
  }
  return undefined;
}

function faultOf(act: () => unknown): string {
  try {
    act();
  } catch (error) {
    if (error instanceof WireError) return error.fault;
    throw error;
  }
  return 'none';
}

/** Cheaper than `expect`, for a million times. */
function expectNothing(found: unknown): void {
  if (found !== undefined) throw new Error('a head was given before its end');
}

describe('a head', () => {
  test('H14 is read back as it was written, wherever it is split, and nothing behind it is touched', () => {
    fc.assert(
      fc.property(tokenText, target, fieldList, places, valueText, (method, path, fields, cuts, behind) => {
        const head = Buffer.from(`${method} ${path} HTTP/1.1\r\n${fieldLinesText(fields)}\r\n${behind}`, 'latin1');
        const found = collect(cutAt(head, cuts));
        expect(found?.rest).toBe(behind);
        expect(parseRequestHead(found?.text ?? '')).toEqual({ method, target: path, version: '1.1', fields });
      }),
      { numRuns: 500 },
    );
  });

  test('H14 of an answer is read back as it was written, wherever it is split', () => {
    fc.assert(
      fc.property(fc.integer({ min: 200, max: 599 }), valueText, fieldList, places, (status, reason, given, cuts) => {
        const fields = given.filter((_, index) => !/^(?:content-length|transfer-encoding)$/i.test(given[index - (index % 2)] as string));
        const head = Buffer.from(`HTTP/1.1 ${status} ${reason}\r\n${fieldLinesText(fields)}\r\n`, 'latin1');
        expect(parseResponseHead(collect(cutAt(head, cuts))?.text ?? '', 'GET')).toMatchObject({ status, reason, fields });
      }),
      { numRuns: 500 },
    );
  });

  test('H13 of a megabyte that comes byte by byte is looked at once, not anew with each byte', () => {
    for (const head of [`GET / HTTP/1.1\r\nX: ${'x'.repeat(1_000_000)}`, `${'X'.repeat(1_000_000)} / HTTP/1.1`]) {
      const reader = new HeadReader({ maxHeader: 1024 ** 2, maxTarget: 8_192 });
      for (const byte of Buffer.from(`${head}\r\n\r`)) expectNothing(reader.read(Buffer.of(byte), 0));
      expect(reader.read(Buffer.from('\n'), 0)?.method).toBe(head.slice(0, head.indexOf(' ')));
    }
  });

  test('is the same at each of its split points', () => {
    const head = Buffer.from('POST /a?b=c HTTP/1.1\r\nHost: a\r\nX: \t two words\t \r\nY:\r\nZ:z\r\n\r\nrest', 'latin1');
    for (const pieces of allSplits(head)) {
      const found = collect(pieces);
      expect(found?.rest).toBe('rest');
      expect(parseRequestHead(found?.text ?? '').fields).toEqual(['Host', 'a', 'X', 'two words', 'Y', '', 'Z', 'z']);
    }
  });

  test('H14 heads on one connection are read one after the other, wherever they are split', () => {
    const bytes = Buffer.from('GET /a HTTP/1.1\r\nX: 1\r\n\r\nPUT /b HTTP/1.1\r\n\r\nGET /c HTTP/1.1\r\nY: 2\r\n\r\nPOST');
    for (const pieces of allSplits(bytes)) {
      const heads = new HeadCollector(4_096);
      const read: string[] = [];
      for (const piece of pieces) {
        for (let at = 0; at < piece.length; at = heads.next) {
          const text = heads.collect(piece, at);
          if (text === undefined) break;
          read.push(text);
        }
      }
      expect(read).toEqual(['GET /a HTTP/1.1\r\nX: 1', 'PUT /b HTTP/1.1', 'GET /c HTTP/1.1\r\nY: 2']);
      expect([heads.begun, heads.beginning, heads.text]).toEqual([true, 'POST', 'POST']);
    }
  });

  test('a tab behind a value is taken where the name only looks like one that frames the body', () => {
    const { fields } = parseRequestHead('GET / HTTP/1.1\r\nX-Content-Length: 5\t\r\nTransfer-Encoding-X: y\t');
    expect(fields).toEqual(['X-Content-Length', '5', 'Transfer-Encoding-X', 'y']);
  });

  test('S05 of exactly the limit is taken, of one byte more refused, wherever it is split', () => {
    const head = (bytes: number) => Buffer.from(`GET / HTTP/1.1\r\nX: ${'x'.repeat(bytes - 19)}\r\n\r\n`);
    for (const pieces of allSplits(head(100))) expect(collect(pieces, 100)?.text).toHaveLength(100);
    for (const pieces of allSplits(head(101))) expect(faultOf(() => collect(pieces, 100))).toBe('head');
  });

  test('keeps no more than its limit of what never ends', () => {
    const heads = new HeadCollector(100);
    expect(faultOf(() => heads.collect(Buffer.alloc(1_000_000, 'x'), 0))).toBe('head');
    expect(heads.text.length).toBeLessThanOrEqual(104);
  });

  test.each([
    ['LF alone', 'GET / HTTP/1.1\nHost: a\n\n'],
    ['LF alone in one line', 'GET / HTTP/1.1\r\nHost: a\nX: y\r\n\r\n'],
    ['CR alone', 'GET / HTTP/1.1\r\nHost: a\rX: y\r\n\r\n'],
    ['CR CR LF', 'GET / HTTP/1.1\r\r\nHost: a\r\n\r\n'],
    ['LF at the very beginning', '\nGET / HTTP/1.1\r\nHost: a\r\n\r\n'],
    ['a fold', 'GET / HTTP/1.1\r\nHost: a\r\nX: y\r\n z\r\n\r\n'],
    ['a fold by tab', 'GET / HTTP/1.1\r\nHost: a\r\nX: y\r\n\tz\r\n\r\n'],
    ['a space before the first field', 'GET / HTTP/1.1\r\n Host: a\r\n\r\n'],
    ['a space before the colon', 'GET / HTTP/1.1\r\nHost : a\r\n\r\n'],
    ['an empty name', 'GET / HTTP/1.1\r\n: a\r\n\r\n'],
    ['a tab behind the coding', 'POST / HTTP/1.1\r\nTransfer-Encoding: chunked\t\r\n\r\n'],
    ['a tab beside the length', 'POST / HTTP/1.1\r\nX:\ty\r\ncontent-length: 5 \t\r\n\r\n'],
    ['no colon', 'GET / HTTP/1.1\r\nHost\r\n\r\n'],
    ['NUL in a value', 'GET / HTTP/1.1\r\nX: a\0b\r\n\r\n'],
    ['DEL in a value', 'GET / HTTP/1.1\r\nX: a\x7fb\r\n\r\n'],
    ['NUL in a name', 'GET / HTTP/1.1\r\nX\0: a\r\n\r\n'],
    ['two spaces in the first line', 'GET  / HTTP/1.1\r\nHost: a\r\n\r\n'],
    ['a tab in the first line', 'GET\t/ HTTP/1.1\r\nHost: a\r\n\r\n'],
    ['a space behind the version', 'GET / HTTP/1.1 \r\nHost: a\r\n\r\n'],
    ['a space before the method', ' GET / HTTP/1.1\r\nHost: a\r\n\r\n'],
    ['a space in the target', 'GET /a b HTTP/1.1\r\nHost: a\r\n\r\n'],
    ['no version', 'GET /\r\n\r\n'],
    ['a version in small letters', 'GET / http/1.1\r\n\r\n'],
    ['no target', 'GET HTTP/1.1\r\n\r\n'],
    ['no method', '/ HTTP/1.1\r\n\r\n'],
    ['an empty method', ' / HTTP/1.1\r\n\r\n'],
    ['an empty target', 'GET  HTTP/1.1\r\n\r\n'],
    ['a version that is no number', 'GET / HTTP/x.1\r\n\r\n'],
  ])('H01 H03 H13 with %s is refused at each of its split points', (_what, text) => {
    const read = (pieces: readonly Buffer[]) => {
      const found = collect(pieces);
      return found === undefined ? 'waits' : parseRequestHead(found.text);
    };
    for (const pieces of allSplits(Buffer.from(text, 'latin1'))) expect(faultOf(() => read(pieces))).toBe('malformed');
  });

  test.each(['0.9', '1.2', '2.0', '9.9', '0.0'])('H12 of version %s is told from a malformed one', (version) => {
    expect(faultOf(() => parseRequestHead(`GET / HTTP/${version}\r\nHost: a`))).toBe('version');
  });

  test('what cannot become a request or an answer is known by its first bytes', () => {
    for (const text of ['', 'G', 'GET', 'GET ', 'GET /']) expect([text, mayBecomeRequest(text)]).toEqual([text, true]);
    for (const text of ['\x16\x03\x01', 'GET\t', '{', '"', 'SSH-2.0-x:']) expect([text, mayBecomeRequest(text)]).toEqual([text, false]);
    for (const text of ['', 'H', 'HTTP/1.', 'HTTP/1.1 200']) expect([text, mayBecomeResponse(text)]).toEqual([text, true]);
    for (const text of ['SSH', 'HTTP/2', 'http/1.1', '\x15\x03']) expect([text, mayBecomeResponse(text)]).toEqual([text, false]);
  });

  test('H16 whatever the bytes are: a head that is read in the same way when it is written anew, or a refusal', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
        try {
          const found = collect([Buffer.concat([bytes, Buffer.from('\r\n\r\n')])]);
          const head = parseRequestHead(found?.text ?? '');
          const again = `${head.method} ${head.target} HTTP/${head.version}\r\n${fieldLinesText(head.fields)}`;
          expect(parseRequestHead(again.slice(0, -2))).toEqual(head);
        } catch (error) {
          expect(error).toBeInstanceOf(WireError);
        }
      }),
      { numRuns: 2_000 },
    );
  });
});

describe('how the body of an answer is delimited (RFC 9112 §6.3)', () => {
  const framing = (method: string, version: string, status: number, lines: readonly string[]) =>
    parseResponseHead([`HTTP/${version} ${status} X`, ...lines].join('\r\n'), method).framing;

  test.each([
    ['GET', '1.1', 200, [], 'close'],
    ['GET', '1.1', 200, ['Content-Length: 5'], 5],
    ['GET', '1.1', 200, ['Content-Length: 0'], 0],
    ['GET', '1.1', 200, ['content-length:\t5 '], 5],
    ['GET', '1.1', 200, ['Transfer-Encoding: Chunked'], 'chunked'],
    ['GET', '1.0', 200, [], 'close'],
    ['GET', '1.0', 200, ['Content-Length: 5'], 5],
    ['HEAD', '1.1', 200, ['Content-Length: 5'], 0],
    ['HEAD', '1.1', 200, ['Transfer-Encoding: chunked'], 0],
    ['HEAD', '1.1', 200, [], 0],
    ['GET', '1.1', 204, ['Content-Length: 5'], 0],
    ['GET', '1.1', 304, ['Content-Length: 5'], 0],
    ['GET', '1.1', 304, ['Transfer-Encoding: chunked'], 0],
    ['GET', '1.1', 103, ['Content-Length: 5'], 0],
    ['GET', '1.1', 205, ['Content-Length: 0'], 0],
    ['CONNECT', '1.1', 200, ['Content-Length: 5'], 5],
  ] as const)('H11 %s, HTTP/%s %i %j: %s', (method, version, status, lines, expected) => {
    expect(framing(method, version, status, lines)).toBe(expected);
  });

  test.each([
    ['1.1', ['Content-Length: 5', 'Transfer-Encoding: chunked']],
    ['1.1', ['Content-Length: 5', 'Content-Length: 5']],
    ['1.1', ['Content-Length: 5, 5']],
    ['1.1', ['Content-Length: +5']],
    ['1.1', ['Content-Length: -1']],
    ['1.1', ['Content-Length: 0x5']],
    ['1.1', ['Content-Length: 5e0']],
    ['1.1', ['Content-Length:']],
    ['1.1', ['Content-Length: 18446744073709551621']],
    ['1.1', ['Content-Length: 9007199254740993']],
    ['1.1', ['Transfer-Encoding: gzip']],
    ['1.1', ['Transfer-Encoding: gzip, chunked']],
    ['1.1', ['Transfer-Encoding: chunked, chunked']],
    ['1.1', ['Transfer-Encoding: chunked', 'Transfer-Encoding: chunked']],
    ['1.1', ['Transfer-Encoding: ,chunked']],
    ['1.1', ['Transfer-Encoding: "chunked"']],
    ['1.1', ['Transfer-Encoding:']],
    ['1.1', ['Transfer-Encoding: chunked\t']],
    ['1.1', ['Content-Length: 5\t']],
    ['1.0', ['Transfer-Encoding: chunked']],
  ])('H10 HTTP/%s with %j is refused, also in answer to HEAD and with 304', (version, lines) => {
    for (const [method, status] of [
      ['GET', 200],
      ['HEAD', 200],
      ['GET', 304],
    ] as const)
      expect(faultOf(() => framing(method, version, status, lines))).toBe('malformed');
  });

  test.each([
    'HTTP/1.1 1000 X',
    'HTTP/1.1 888 X',
    'HTTP/1.1 600 X',
    'HTTP/1.1 099 X',
    'HTTP/1.1 20 X',
    'HTTP/1.1 2x0 X',
    'HTTP/1.1  200 X',
    'HTTP/1.1 200OK',
    'HTTP/1.1 -200 X',
    'HTTP/2.0 200 X',
    'HTTP/1.2 200 X',
    'HTTP/0.9 200 X',
    'http/1.1 200 X',
    'HTTP/1.1200 X',
    ' HTTP/1.1 200 X',
    'HTTP/1.1 200 a\0b',
    'HTTP/1.1 200 a\x7fb',
    '',
  ])('U03 the status line %j is refused', (line) => {
    expect(faultOf(() => parseResponseHead(line, 'GET'))).toBe('malformed');
  });

  test.each([
    ['HTTP/1.1 200', 200, ''],
    ['HTTP/1.1 200 ', 200, ''],
    ['HTTP/1.0 404 Not Found', 404, 'Not Found'],
    ['HTTP/1.1 599 \xe4\xff', 599, '\xe4\xff'],
  ])('U03 the status line %j is taken', (line, status, reason) => {
    expect(parseResponseHead(line, 'GET')).toMatchObject({ status, reason });
  });

  test.each([
    ['1.1', [], true],
    ['1.1', ['Connection: close'], false],
    ['1.1', ['Connection: keep-alive, CLOSE'], false],
    ['1.1', ['Connection: x', 'Connection: close'], false],
    ['1.1', ['Connection: disclose, closer'], true],
    ['1.0', ['Connection: keep-alive'], false],
  ])('whether another request may follow: HTTP/%s %j: %s', (version, lines, expected) => {
    expect(parseResponseHead([`HTTP/${version} 200 X`, ...lines].join('\r\n'), 'GET').keepAlive).toBe(expected);
  });
});
