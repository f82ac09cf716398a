/** What upstreams say: well-formed answers, mutations of them, and hostile ones. */

import { type Case, mutate } from './inputs.ts';
import type { Random } from './random.ts';

const PLANTED = 'HTTP/1.1 200 OK\r\nContent-Length: 7\r\n\r\nplanted';
const FIELDS = [
  'X-A: 1',
  'Set-Cookie: a=b',
  'X-Odd:\t\xe4\xff ',
  'X-Empty:',
  'Connection: keep-alive, X-A',
  'Keep-Alive: timeout=5',
  'Server: x',
];

export function wellFormedAnswer(random: Random): string {
  const status = random.pick([200, 200, 201, 204, 304, 404, 500]);
  const lines = [`HTTP/1.1 ${status} ${random.pick(['OK', '', 'Not so \xe4'])}`];
  for (let i = random.int(4); i > 0; i -= 1) lines.push(random.pick(FIELDS));
  const body = status === 204 || status === 304 ? '' : random.pick(['', 'a', 'hello world', PLANTED, 'x'.repeat(random.int(300))]);
  const interim = random.chance(5) ? 'HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n' : '';
  switch (status === 204 || status === 304 ? 2 : random.int(3)) {
    case 0:
      return `${interim}${[...lines, `Content-Length: ${body.length}`].join('\r\n')}\r\n\r\n${body}`;
    case 1:
      return `${interim}${[...lines, 'Transfer-Encoding: chunked'].join('\r\n')}\r\n\r\n${body === '' ? '' : `${body.length.toString(16)}\r\n${body}\r\n`}0\r\n\r\n`;
    default:
      return `${interim}${lines.join('\r\n')}\r\n\r\n${body}`;
  }
}

export function answerCase(random: Random): Case {
  const text = wellFormedAnswer(random);
  if (random.chance(8)) return { kind: 'well-formed answer', bytes: Buffer.from(text, 'latin1') };
  return { kind: 'mutated answer', bytes: Buffer.from(mutate(random, text), 'latin1') };
}

/** Answers that somebody reads in two ways. */
export function hostileAnswers(): Case[] {
  const answer = (lines: string, body: string) => `HTTP/1.1 200 OK\r\n${lines}\r\n\r\n${body}`;
  const chunks = `5\r\nhello\r\n0\r\n\r\n`;
  const texts = [
    answer('Content-Length: 5\r\nTransfer-Encoding: chunked', chunks),
    answer('Content-Length: 5\r\nContent-Length: 6', 'hello!'),
    answer('Content-Length: 5, 5', 'hello'),
    answer('Content-Length: +5', 'hello'),
    answer('Content-Length : 5', 'hello'),
    answer('Content-Length:\r\n 5', 'hello'),
    answer('Content-Length: 5\x0b', 'hello'),
    answer('Content-Length: 5\nX: y', 'hello'),
    answer('Content-Length: 5\rX: y', 'hello'),
    answer('Content-Length: 5', `hello${PLANTED}`),
    answer('Content-Length: 0', PLANTED),
    answer('Content-Length: 500', PLANTED),
    answer('Transfer-Encoding: chunked', `${chunks}${PLANTED}`),
    answer('Transfer-Encoding: chunked', '5\r\nhelloX\r\n0\r\n\r\n'),
    answer('Transfer-Encoding: chunked', '5\r\nhello0\r\n\r\n'),
    answer('Transfer-Encoding: chunked', '5\nhello\n0\n\n'),
    answer('Transfer-Encoding: chunked', '+5\r\nhello\r\n0\r\n\r\n'),
    answer('Transfer-Encoding: chunked', '5 \r\nhello\r\n0\r\n\r\n'),
    answer('Transfer-Encoding: chunked', '5\r\nhello\r\n0\r\n'),
    answer('Transfer-Encoding: chunked', '5\r\nhel'),
    answer('Transfer-Encoding: chunked', `5\r\nhello\r\n0\r\nContent-Length: 3\r\n\r\n`),
    answer('Transfer-Encoding: gzip, chunked', chunks),
    answer('Transfer-Encoding: identity', 'hello'),
    answer('Transfer-Encoding: xchunked', chunks),
    answer('Transfer-Encoding: chunked\r\nTransfer-Encoding: identity', chunks),
    answer('Transfer-Encoding : chunked', chunks),
    answer('Transfer_Encoding: chunked', chunks),
    answer('Connection: content-length\r\nContent-Length: 5', 'hello'),
    answer('X: \0', 'hello'),
    answer(' X: y', 'hello'),
    answer(': y', 'hello'),
    answer('no colon', 'hello'),
    ...['1000 X', '888 X', '99 X', '2OO X', '600 X', '000 X', '200\tOK', '', '-1 X'].map(
      (status) => `HTTP/1.1 ${status}\r\nContent-Length: 2\r\n\r\nok`,
    ),
    ...['HTTP/1.0', 'HTTP/0.9', 'HTTP/2.0', 'HTTP/1.2', 'http/1.1', 'ICY', 'HTTP/1.1.1', 'HTTP /1.1'].map(
      (version) => `${version} 200 OK\r\nContent-Length: 2\r\n\r\nok`,
    ),
    'HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n',
    'HTTP/1.1 200 OK\n\nok',
    'hello world, without any head',
    `HTTP/1.1 204 No Content\r\nContent-Length: 7\r\n\r\nplanted`,
    `HTTP/1.1 204 No Content\r\n\r\n${PLANTED}`,
    `HTTP/1.1 304 Not Modified\r\nContent-Length: 7\r\n\r\n${PLANTED}`,
    `HTTP/1.1 205 Reset Content\r\nContent-Length: 0\r\n\r\n`,
    `HTTP/1.1 205 Reset Content\r\nContent-Length: 2\r\n\r\nok`,
    `HTTP/1.1 103 Early Hints\r\nContent-Length: 20\r\n\r\n${answer('Content-Length: 2', 'ok')}`,
    `HTTP/1.1 103 Early Hints\r\nTransfer-Encoding: chunked\r\n\r\n${answer('Content-Length: 2', 'ok')}`,
    'HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: Upgrade\r\n\r\n',
    'HTTP/1.1 100 Continue\r\n\r\n'.repeat(30),
    `\r\n${PLANTED}`,
  ];
  return texts.map((text) => ({ kind: 'hostile answer', bytes: Buffer.from(text, 'latin1') }));
}
