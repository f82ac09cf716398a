import { expect, test } from '@jest/globals';
import type { Body, BodySink } from '../../src/message.ts';
import { checkLength, limitBody } from '../../src/upstream/limited-body.ts';

/** What is heard of a body of at most four bytes. */
function heardOf(say: (sink: BodySink) => void): string[] {
  const body: Body = { length: undefined, pipe: say, pause: () => {}, resume: () => {}, discard: () => {} };
  const heard: string[] = [];
  limitBody(body, 4).pipe({
    chunk: (bytes) => heard.push(Buffer.from(bytes).toString()),
    end: () => heard.push('end'),
    fail: (cause) => heard.push((cause as Error & { code?: string }).code ?? cause.message),
  });
  return heard;
}

test('a body within its limit is passed on to its end, or to its failure', () => {
  const four = (sink: BodySink) => {
    sink.chunk(Buffer.from('ab'));
    sink.chunk(Buffer.from('cd'));
  };
  expect(
    heardOf((sink) => {
      four(sink);
      sink.end([]);
    }),
  ).toEqual(['ab', 'cd', 'end']);
  expect(
    heardOf((sink) => {
      four(sink);
      sink.fail(new Error('gone'));
    }),
  ).toEqual(['ab', 'cd', 'gone']);
});

test.each([
  ['ends', (sink: BodySink) => sink.end([])],
  ['breaks off', (sink: BodySink) => sink.fail(new Error('gone'))],
])('a body past its limit fails once, whatever comes behind: it %s', (_how, say) => {
  const heard = heardOf((sink) => {
    sink.chunk(Buffer.from('abc'));
    sink.chunk(Buffer.from('de'));
    sink.chunk(Buffer.from('f'));
    say(sink);
  });
  expect(heard).toEqual(['abc', 'REQUEST_TOO_LARGE']);
});

test('a body that fills its limit exactly fails with the next byte', () => {
  const heard = heardOf((sink) => {
    for (const text of ['abcd', 'e', 'f']) sink.chunk(Buffer.from(text));
    sink.end([]);
  });
  expect(heard).toEqual(['abcd', 'REQUEST_TOO_LARGE']);
});

test('an announced length is refused above the limit alone', () => {
  const of = (length: number | undefined): Body => ({ length, pipe() {}, pause() {}, resume() {}, discard() {} });
  for (const body of [undefined, of(undefined), of(0), of(4)]) expect(() => checkLength(body, 4)).not.toThrow();
  expect(() => checkLength(of(5), 4)).toThrow('larger than the route allows');
  expect(() => checkLength(of(5), undefined)).not.toThrow();
});

test('whoever takes it holds back, goes on with and gives up the body itself', () => {
  const told: string[] = [];
  const body: Body = {
    length: 3,
    pipe() {},
    pause: () => void told.push('pause'),
    resume: () => void told.push('resume'),
    discard: () => void told.push('discard'),
  };
  const limited = limitBody(body, 4);
  limited.pause();
  limited.resume();
  limited.discard();
  expect([limited.length, told]).toEqual([3, ['pause', 'resume', 'discard']]);
});
