/** Bodies: read back as written in each framing, wherever the bytes are split; never read as whole where they are broken. */

import type { Socket } from 'node:net';
import { Writable } from 'node:stream';
import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { BodyReader } from '../../src/wire/body-reader.ts';
import { BodyWriter } from '../../src/wire/body-writer.ts';
import { Outlet } from '../../src/wire/outlet.ts';
import type { Framing } from '../../src/wire/response-head.ts';
import { WireError } from '../../src/wire/wire-error.ts';
import { WriteMemory } from '../../src/wire/write-memory.ts';
import { allSplits, cutAt, fieldList, places } from '../helpers/pieces.ts';

interface Read {
  readonly body: string;
  readonly done: boolean;
  readonly rest: string;
  readonly trailers: string[];
  readonly broken: boolean;
}

function read(framing: Framing, pieces: readonly Buffer[]): Read {
  let body = '';
  const reader = new BodyReader(framing, (bytes) => (body += bytes.toString('latin1')));
  try {
    for (const [index, piece] of pieces.entries()) {
      const at = reader.read(piece, 0);
      if (!reader.done) continue;
      const rest = Buffer.concat([piece.subarray(at), ...pieces.slice(index + 1)]).toString('latin1');
      return { body, done: true, rest, trailers: reader.trailers, broken: false };
    }
  } catch (error) {
    if (!(error instanceof WireError)) throw error;
    return { body, done: false, rest: '', trailers: [], broken: true };
  }
  return { body, done: reader.done, rest: '', trailers: [], broken: false };
}

/** What a writer puts on the wire. */
function written(framing: Framing, chunks: readonly Uint8Array[], trailers: readonly string[]): { wire: Buffer; whole: boolean } {
  const pieces: Buffer[] = [];
  const stream = new Writable({
    decodeStrings: true,
    write(bytes: Buffer, _encoding, done) {
      // As the system does: what was taken may be written over.
      pieces.push(Buffer.from(bytes));
      done();
    },
  });
  const writer = new BodyWriter(new Outlet(stream as unknown as Socket, () => {}, new WriteMemory()), framing);
  let whole = true;
  for (const chunk of chunks) whole = writer.chunk(chunk) && whole;
  whole = writer.end(trailers) && whole;
  return { wire: Buffer.concat(pieces), whole };
}

const chunkList = fc.array(fc.uint8Array({ maxLength: 40 }), { maxLength: 6 });

describe('a body', () => {
  test('H14 in chunks is read back as written, with its trailers, wherever it is split', () => {
    fc.assert(
      fc.property(chunkList, fieldList, places, fc.string({ unit: 'binary-ascii' }), (chunks, trailers, cuts, behind) => {
        const { wire, whole } = written('chunked', chunks, trailers);
        expect(whole).toBe(true);
        const got = read('chunked', cutAt(Buffer.concat([wire, Buffer.from(behind, 'latin1')]), cuts));
        expect(got).toEqual({ body: Buffer.concat(chunks).toString('latin1'), done: true, rest: behind, trailers, broken: false });
      }),
      { numRuns: 500 },
    );
  });

  test('H14 of a length is read back as written, and what is behind it is not touched', () => {
    fc.assert(
      fc.property(chunkList, places, fc.string({ unit: 'binary-ascii' }), (chunks, cuts, behind) => {
        const body = Buffer.concat(chunks);
        const { wire, whole } = written(body.length, chunks, ['ignored', 'x']);
        expect([whole, wire.equals(body)]).toEqual([true, true]);
        const got = read(body.length, cutAt(Buffer.concat([wire, Buffer.from(behind, 'latin1')]), cuts));
        if (body.length > 0) expect([got.body, got.done, got.rest]).toEqual([body.toString('latin1'), true, behind]);
      }),
      { numRuns: 300 },
    );
  });

  test('large chunks are framed as small ones are', () => {
    for (const size of [4_095, 4_096, 4_097, 65_536, 1_048_576]) {
      const bytes = Buffer.alloc(size, 'x');
      const { wire } = written('chunked', [bytes], []);
      expect(wire.equals(Buffer.from(`${size.toString(16)}\r\n${bytes}\r\n0\r\n\r\n`))).toBe(true);
    }
  });

  test('an empty chunk is not written: it would end the body', () => {
    expect(written('chunked', [Buffer.alloc(0), Buffer.from('a')], []).wire.toString()).toBe('1\r\na\r\n0\r\n\r\n');
  });

  test('U02 longer or shorter than announced is told, and nothing is written past the length', () => {
    expect(written(3, [Buffer.from('ab'), Buffer.from('cd')], [])).toEqual({ wire: Buffer.from('ab'), whole: false });
    expect(written(3, [Buffer.from('ab')], [])).toEqual({ wire: Buffer.from('ab'), whole: false });
    expect(written(0, [Buffer.from('a')], [])).toEqual({ wire: Buffer.alloc(0), whole: false });
  });

  test('to the end of the connection is whole only when that has ended', () => {
    const reader = new BodyReader('close', () => {});
    reader.read(Buffer.from('abc'), 0);
    expect([reader.done, reader.endsWithConnection]).toEqual([false, true]);
    for (const framing of [3, 'chunked'] as const) {
      const cut = new BodyReader(framing, () => {});
      cut.read(Buffer.from(framing === 3 ? 'ab' : '3\r\nab'), 0);
      expect([cut.done, cut.endsWithConnection]).toEqual([false, false]);
    }
  });

  test('U02 cut at any place, a body in chunks is not whole', () => {
    const wire = Buffer.from('3\r\nabc\r\n2;x=y\r\nde\r\n0\r\nX: y\r\n\r\n');
    for (let at = 0; at < wire.length; at += 1) expect(read('chunked', [wire.subarray(0, at)]).done).toBe(false);
    for (const pieces of allSplits(wire))
      expect(read('chunked', pieces)).toMatchObject({ body: 'abcde', done: true, trailers: ['X', 'y'] });
  });
});

describe('the chunked coding (RFC 9112 §7.1)', () => {
  test.each([
    ['hexadecimal', '0x3\r\nabc\r\n0\r\n\r\n'],
    ['a sign', '+3\r\nabc\r\n0\r\n\r\n'],
    ['a minus', '-3\r\nabc\r\n0\r\n\r\n'],
    ['a space before', ' 3\r\nabc\r\n0\r\n\r\n'],
    ['a space behind', '3 \r\nabc\r\n0\r\n\r\n'],
    ['a tab behind', '3\t\r\nabc\r\n0\r\n\r\n'],
    ['an underscore', '0_3\r\nabc\r\n0\r\n\r\n'],
    ['13 digits', '0000000000003\r\nabc\r\n0\r\n\r\n'],
    ['17 digits, whose number wraps', '10000000000000003\r\nabc\r\n0\r\n\r\n'],
    ['no size', '\r\nabc\r\n0\r\n\r\n'],
    ['an extension alone', ';x\r\nabc\r\n0\r\n\r\n'],
    ['a letter that is no digit', 'g\r\nabc\r\n0\r\n\r\n'],
    ['LF alone behind the size', '3\nabc\r\n0\r\n\r\n'],
    ['CR alone behind the size', '3\rabc\r\n0\r\n\r\n'],
    ['LF alone behind the data', '3\r\nabc\n0\r\n\r\n'],
    ['CR and no LF behind the data', '3\r\nabc\rX0\r\n\r\n'],
    ['LF behind another byte behind the data', '3\r\nabcX\n0\r\n\r\n'],
    ['no last size', '3\r\nabc\r\n\r\n\r\n'],
    ['more data than its size', '3\r\nabcd\r\n0\r\n\r\n'],
    ['no break behind the data', '3\r\nabc0\r\n\r\n'],
    ['LF alone behind an extension', '3;x\nabc\r\n0\r\n\r\n'],
    ['NUL in an extension', '3;x\0\r\nabc\r\n0\r\n\r\n'],
    ['CR in an extension', '3;x\ry\r\nabc\r\n0\r\n\r\n'],
    ['an empty extension', '3;\r\nabc\r\n0\r\n\r\n'],
    ['an extension without a name', '3;=x\r\nabc\r\n0\r\n\r\n'],
    ['an extension without a value', '3;x=\r\nabc\r\n0\r\n\r\n'],
    ['a quote that does not end', '3;x="y\r\nabc\r\n0\r\n\r\n'],
    ['blanks in an extension', '3; x\r\nabc\r\n0\r\n\r\n'],
    ['bytes beyond ASCII in an extension', '3;\xff\r\nabc\r\n0\r\n\r\n'],
    ['a length in the trailers', '3\r\nabc\r\n0\r\nContent-Length: 3\r\n\r\n'],
    ['a coding in the trailers', '3\r\nabc\r\n0\r\ntransfer-encoding: chunked\r\n\r\n'],
    ['LF alone at the end', '3\r\nabc\r\n0\r\n\n'],
    ['LF alone at the last size', '3\r\nabc\r\n0\n\n'],
    ['LF alone in the trailers', '3\r\nabc\r\n0\r\nX: y\n\r\n'],
    ['a fold in the trailers', '3\r\nabc\r\n0\r\nX: y\r\n z\r\n\r\n'],
    ['no colon in the trailers', '3\r\nabc\r\n0\r\nGET / HTTP/1.1\r\n\r\n'],
    ['a space before the colon in the trailers', '3\r\nabc\r\n0\r\nX : y\r\n\r\n'],
    ['an empty line too many before the next size', '3\r\nabc\r\n\r\n0\r\n\r\n'],
  ])('H03 with %s is refused at each of its split points', (_what, text) => {
    for (const pieces of allSplits(Buffer.from(text, 'latin1')))
      expect(read('chunked', pieces)).toMatchObject({ done: false, broken: true });
  });

  test.each([
    ['capital digits', 'A\r\n0123456789\r\n0\r\n\r\n', '0123456789'],
    ['leading zeros', '000003\r\nabc\r\n000\r\n\r\n', 'abc'],
    ['extensions', '3;a;b="c;d \\"e";f=g\r\nabc\r\n0;last\r\n\r\n', 'abc'],
    ['CR LF in the data', '4\r\n\r\n\r\n\r\n0\r\n\r\n', '\r\n\r\n'],
  ])('H04 with %s is taken at each of its split points', (_what, text, body) => {
    for (const pieces of allSplits(Buffer.from(text, 'latin1'))) expect(read('chunked', pieces)).toMatchObject({ body, done: true });
  });

  test('H04 extensions of 4 KiB in all are borne, one byte more is refused, in one chunk or spread over many', () => {
    const one = (bytes: number) => Buffer.from(`1;${'x'.repeat(bytes - 1)}\r\na\r\n0\r\n\r\n`);
    expect(read('chunked', [one(4_096)]).done).toBe(true);
    expect(read('chunked', [one(4_097)]).broken).toBe(true);
    // Each extension's CR counts.
    const many = (chunks: number) => Buffer.from(`${'1;x\r\na\r\n'.repeat(chunks)}0\r\n\r\n`);
    expect(read('chunked', [many(2_048)]).done).toBe(true);
    expect(read('chunked', [many(2_049)]).broken).toBe(true);
  });

  test('trailers of 8 KiB are taken, one byte more is refused, wherever they are split', () => {
    const of = (bytes: number) => Buffer.from(`0\r\nX: ${'x'.repeat(bytes - 3)}\r\n\r\n`);
    for (const cut of [1, 4, 4_000, 8_190, 8_198, 8_199]) {
      const split = (bytes: Buffer) => [bytes.subarray(0, cut), bytes.subarray(cut)];
      expect([cut, read('chunked', split(of(8_192))).done]).toEqual([cut, true]);
      expect([cut, read('chunked', split(of(8_193))).broken]).toEqual([cut, true]);
    }
  });

  test('H13 thousands of chunks of a byte that come together are passed on as one, in their place among longer ones', () => {
    const given: string[] = [];
    const reader = new BodyReader('chunked', (bytes) => given.push(bytes.toString('latin1')));
    const long = 'L'.repeat(5_000);
    const tiny = '1\r\nx\r\n'.repeat(10_000);
    reader.read(Buffer.from(`${tiny}1388\r\n${long}\r\n${tiny}2\r\nab\r\n`), 0);
    expect(given).toEqual(['x'.repeat(10_000), long, `${'x'.repeat(10_000)}ab`]);
  });

  test('S02 short chunks that were passed on stay as they are while others of the same read are', () => {
    const given: Buffer[] = [];
    const reader = new BodyReader('chunked', (bytes) => given.push(bytes));
    reader.read(Buffer.from(`1\r\na\r\n1388\r\n${'L'.repeat(5_000)}\r\n1\r\nb\r\n`), 0);
    reader.read(Buffer.from('1\r\nc\r\n'), 0);
    reader.read(Buffer.from('0\r\n'), 0);
    expect(given.map(String)).toEqual(['a', 'L'.repeat(5_000), 'b', 'c']);
  });

  test('names and values in the trailers that only look like a length are taken', () => {
    const trailers = ['X-Content-Length', 'content-length', 'Transfer-Encoding-X', 'transfer-encoding'];
    expect(read('chunked', [written('chunked', [], trailers).wire])).toMatchObject({ done: true, trailers });
  });

  test('what has come before something malformed is passed on', () => {
    const given: string[] = [];
    const reader = new BodyReader('chunked', (bytes) => given.push(bytes.toString('latin1')));
    expect(() => reader.read(Buffer.from('1\r\na\r\n1\r\nb\r\nnonsense'), 0)).toThrow(WireError);
    expect(given).toEqual(['ab']);
  });

  test('H03 a size of twelve digits is taken as it is, and its data passed on without being collected', () => {
    let given = 0;
    const reader = new BodyReader('chunked', (bytes) => (given += bytes.length));
    reader.read(Buffer.from('ffffffffffff\r\n'), 0);
    for (let i = 0; i < 100; i += 1) reader.read(Buffer.alloc(65_536), 0);
    expect([given, reader.done]).toEqual([6_553_600, false]);
  });
});
