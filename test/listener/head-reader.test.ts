/** Heads of requests as they arrive in pieces. */

import { describe, expect, test } from '@jest/globals';
import { HeadReader } from '../../src/listener/http1/head-reader.ts';

const GET = 'GET /x HTTP/1.1\r\nHost: a\r\n\r\n';

/** The target of the request that the pieces make, or the status of its refusal. */
function readPieces(pieces: readonly string[]): string | number | undefined {
  const reader = new HeadReader({ maxHeader: 16_384, maxTarget: 8_192 });
  try {
    for (const piece of pieces) {
      const head = reader.read(Buffer.from(piece, 'latin1'), 0);
      if (head !== undefined) return head.target;
    }
    return undefined;
  } catch (error) {
    return (error as { status: number }).status;
  }
}

describe('the empty line before a request (RFC 9112 §2.2)', () => {
  test.each([
    ['one', `\r\n${GET}`, '/x'],
    ['none', GET, '/x'],
    ['two', `\r\n\r\n${GET}`, 400],
    ['a bare CR', `\r${GET}`, 400],
    ['CR twice', `\r\r\n${GET}`, 400],
    ['LF alone', `\n${GET}`, 400],
  ])('%s, wherever the bytes are split', (_what, text, expected) => {
    for (let at = 0; at <= text.length; at += 1) {
      expect([at, readPieces([text.slice(0, at), text.slice(at)])]).toEqual([at, expected]);
    }
    expect(readPieces(text.split(''))).toBe(expected);
  });

  test('one, between two requests as well', () => {
    const reader = new HeadReader({ maxHeader: 16_384, maxTarget: 8_192 });
    const targets = [GET, `\r\n${GET}`, '\r', `\n${GET}`].map((piece) => reader.read(Buffer.from(piece), 0)?.target);
    expect(targets).toEqual(['/x', '/x', undefined, '/x']);
  });
});

test('what cannot become a request is refused by its first bytes', () => {
  for (const text of ['\x16\x03\x01', '{"a', 'SSH-2.0-x:']) expect([text, readPieces([text])]).toEqual([text, 400]);
});
