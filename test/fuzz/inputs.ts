/** What is thrown at the engine: well-formed messages, mutations of them, the permutations of smugglers, and cases of our own. */

import type { Random } from './random.ts';

export interface Case {
  /** What is counted together. */
  readonly kind: string;
  readonly bytes: Buffer;
}

const METHODS = ['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS'];
const PATHS = ['/api/x', '/api/', '/api/a%2fb?c=d&e', '/api/x?/../y', '/api/%7e;p=1', '/api/x?a=b?c'];
const FIELDS = [
  'X-A: 1',
  'Accept: */*',
  'x_b: 2',
  'X-Empty:',
  'Cookie: a=b; c=d',
  'X-Odd:\t\xe4\xff \t',
  'Connection: keep-alive, X-A',
  'Via: 1.0 a',
];

/** One request that nobody could read in two ways. */
export function wellFormed(random: Random): string {
  const lines = [`${random.pick(METHODS)} ${random.pick(PATHS)} HTTP/1.1`, 'Host: localhost'];
  for (let i = random.int(4); i > 0; i -= 1) lines.push(random.pick(FIELDS));
  const body = bodyText(random);
  switch (random.int(3)) {
    case 0:
      return `${lines.join('\r\n')}\r\n\r\n`;
    case 1:
      return `${[...lines, `Content-Length: ${body.length}`].join('\r\n')}\r\n\r\n${body}`;
    default:
      return `${[...lines, 'Transfer-Encoding: chunked'].join('\r\n')}\r\n\r\n${chunked(random, body)}`;
  }
}

function bodyText(random: Random): string {
  const texts = [
    '',
    'a',
    'hello world',
    'GET /api/smuggled HTTP/1.1\r\nHost: localhost\r\n\r\n',
    '0\r\n\r\n',
    '\r\n',
    'x'.repeat(random.int(300)),
  ];
  return random.pick(texts);
}

function chunked(random: Random, body: string): string {
  let text = '';
  for (let at = 0; at < body.length; ) {
    const size = 1 + random.int(body.length - at);
    text += `${size.toString(16)}${random.chance(4) ? ';e=f' : ''}\r\n${body.slice(at, at + size)}\r\n`;
    at += size;
  }
  return `${text}0\r\n${random.chance(4) ? 'X-Trailer: t\r\n' : ''}\r\n`;
}

const TELLING = [
  '\r',
  '\n',
  '\r\n',
  ' ',
  '\t',
  ':',
  ';',
  ',',
  '0',
  '\0',
  '\x0b',
  '\x7f',
  '\xa0',
  '\xff',
  '"',
  '-',
  '+',
  '_',
  '.',
  '/',
  '\\',
  '#',
  '%',
];
const LINES = [
  'Content-Length: 5',
  'Content-Length: 0',
  'Transfer-Encoding: chunked',
  'transfer-encoding:\tchunked',
  'Host: b',
  'Expect: 100-continue',
];

/** H15: 1 to 4 bytes, or a telling piece of text, put in, taken out or changed. */
export function mutate(random: Random, text: string): string {
  let mutated = text;
  for (let i = 1 + random.int(4); i > 0; i -= 1) {
    // Most that matters stands at the beginning.
    const at = random.int(random.chance(2) ? Math.min(120, mutated.length + 1) : mutated.length + 1);
    const before = mutated.slice(0, at);
    switch (random.int(6)) {
      case 0:
        mutated = before + String.fromCharCode(random.int(256)) + mutated.slice(at + 1);
        break;
      case 1:
        mutated = before + String.fromCharCode(random.int(256)) + mutated.slice(at);
        break;
      case 2:
        mutated = before + mutated.slice(at + 1 + random.int(3));
        break;
      case 3:
        mutated = before + random.pick(TELLING) + mutated.slice(at);
        break;
      case 4:
        mutated = before + random.pick(TELLING) + mutated.slice(at + 1);
        break;
      default:
        mutated = mutated.replace('\r\n', `\r\n${random.pick(LINES)}\r\n`);
    }
  }
  return mutated;
}

/** H14, H15: one to three requests on a connection, most of them mutated. */
export function requestCase(random: Random): Case {
  let text = '';
  for (let i = 1 + random.int(3); i > 0; i -= 1) text += wellFormed(random);
  if (random.chance(8)) return { kind: 'well-formed', bytes: Buffer.from(text, 'latin1') };
  return { kind: 'mutated', bytes: Buffer.from(mutate(random, text), 'latin1') };
}

const SMUGGLED = 'GET /api/smuggled HTTP/1.1\r\nHost: localhost\r\nX-S: x\r\n\r\n';

/** The two classic bodies: one says less by its length, the other by its chunks. */
const DESYNCS = [
  { name: 'CL.TE', length: String(5 + SMUGGLED.length), body: `0\r\n\r\n${SMUGGLED}` },
  { name: 'TE.CL', length: '4', body: `${SMUGGLED.length.toString(16)}\r\n${SMUGGLED}\r\n0\r\n\r\n` },
];

/** H16: each way to write "Transfer-Encoding: chunked" that somebody might read and somebody else not. */
function codingLines(): string[] {
  const lines = [
    'Transfer-Encoding: chunked',
    'Transfer-Encoding : chunked',
    'Transfer-Encoding:chunked',
    'Transfer-Encoding: xchunked',
    'Transfer-Encoding: chunkedx',
    'Transfer-Encoding: "chunked"',
    "Transfer-Encoding: 'chunked'",
    'Transfer-Encoding: CHUNKED',
    'TRANSFER-ENCODING: chunked',
    'Transfer_Encoding: chunked',
    'Transfer.Encoding: chunked',
    'Transfer Encoding: chunked',
    'Transfer-Encoding: identity',
    'Transfer-Encoding: chunked, identity',
    'Transfer-Encoding: identity, chunked',
    'Transfer-Encoding: gzip, chunked',
    'Transfer-Encoding: chunked, chunked',
    'Transfer-Encoding: ,chunked',
    'Transfer-Encoding: chunked,',
    'Transfer-Encoding: chunked;q=1',
    'Transfer-Encoding:',
    'Transfer-Encoding: chunked\r\nTransfer-Encoding: identity',
    'Transfer-Encoding: identity\r\nTransfer-Encoding: chunked',
    'Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked',
    'Transfer-Encoding:\r\n chunked',
    'Transfer-Encoding:\n chunked',
    'X: y\r\n Transfer-Encoding: chunked',
    'X: y\rTransfer-Encoding: chunked',
    'X: y\nTransfer-Encoding: chunked',
    ' Transfer-Encoding: chunked',
    '\tTransfer-Encoding: chunked',
    'Connection: Transfer-Encoding\r\nTransfer-Encoding: chunked',
    'Connection: Content-Length',
    'Content-Encoding: chunked',
    'TE: chunked',
  ];
  const codes = [...Array.from({ length: 0x20 }, (_, index) => index + 1), ...Array.from({ length: 0x81 }, (_, index) => index + 0x7f)];
  for (const code of codes) {
    const odd = String.fromCharCode(code);
    lines.push(`Transfer-Encoding: ${odd}chunked`, `Transfer-Encoding: chunked${odd}`, `Transfer-Encoding:${odd}chunked`);
    lines.push(`${odd}Transfer-Encoding: chunked`, `Transfer-Encoding${odd}: chunked`, `Transfer${odd}Encoding: chunked`);
  }
  return lines;
}

/** H16: every coding line before and behind the length, with both bodies. */
export function smugglerCases(): Case[] {
  return codingLines().flatMap((line) =>
    DESYNCS.map(({ name, length, body }, index) => {
      const lines = [`Content-Length: ${length}`, line];
      const head = ['POST /api/x HTTP/1.1', 'Host: localhost', ...(index === 0 ? lines : lines.reverse())];
      return { kind: `smuggler ${name}`, bytes: Buffer.from(`${head.join('\r\n')}\r\n\r\n${body}`, 'latin1') };
    }),
  );
}

/** Cases as the HTTP Garden and Http11Probe collect them, in words of our own. */
export function curatedCases(): Case[] {
  const post = (lines: string, body: string) => `POST /api/x HTTP/1.1\r\nHost: localhost\r\n${lines}\r\n\r\n${body}`;
  const lengths = [
    '5, 5',
    '+5',
    '-1',
    '0x5',
    '5e0',
    '5 5',
    '',
    '18446744073709551621',
    '05',
    '5\x0b',
    '5;',
    '"5"',
    '5.0',
    '٥',
    '5_0',
    '1 ',
    ' 5',
  ];
  const chunks = [
    '0x5',
    '+5',
    ' 5',
    '5 ',
    '0_5',
    '-1',
    '10000000000000005',
    '',
    '5;a=b',
    '5;',
    '5;\x0b',
    '5\t',
    '05',
    '5\x0c',
    '000000000005',
    'fffffffffffffff5',
  ];
  const firstLines = [
    'GET /api/x HTTP/0.9',
    'GET /api/x',
    'GET /api/x HTTP/1.2',
    'GET /api/x HTTP/2.0',
    'GET /api/x HTTP/1.10',
    'GET /api/x HTTP/01.1',
    'GET  /api/x HTTP/1.1',
    'GET /api/x  HTTP/1.1',
    'GET\t/api/x\tHTTP/1.1',
    'GET /api/x HTTP/1.1 ',
    'GET /api/x http/1.1',
    'get /api/x HTTP/1.1',
    'TRACE /api/x HTTP/1.1',
    'GET * HTTP/1.1',
    'OPTIONS * HTTP/1.1',
    'CONNECT localhost:80 HTTP/1.1',
    'GET http://elsewhere/api/x HTTP/1.1',
    'GET //elsewhere/api/x HTTP/1.1',
    'GET /api/../x HTTP/1.1',
    'GET /api/%2e%2e/x HTTP/1.1',
    'GET /api/x#f HTTP/1.1',
    'GET /api\\x HTTP/1.1',
    'GET /api/x\0 HTTP/1.1',
    'GET /api/x\xa0y HTTP/1.1',
    'PRI * HTTP/2.0',
    'G\xe4T /api/x HTTP/1.1',
    'GET /api/x HTTP/1.1\0',
    '\0GET /api/x HTTP/1.1',
    'GET /api/x HTTP/1.1\r',
    'GET\r\n/api/x HTTP/1.1',
    'M-SEARCH /api/x HTTP/1.1',
    'PURGE /api/x HTTP/1.1',
    '"GET" /api/x HTTP/1.1',
  ];
  const hosts = [
    '',
    'a/b',
    'u@a',
    'a:b:c',
    'a b',
    'localhost\0',
    'localhost:',
    'localhost:99999',
    '[::1]',
    '[::1',
    'a,b',
    'localhost:80',
    '\x7f',
  ];
  const texts = [
    ...lengths.map((length) => post(`Content-Length: ${length}`, `hello${SMUGGLED}`)),
    ...chunks.map((size) => post('Transfer-Encoding: chunked', `${size}\r\nhello\r\n0\r\n\r\n${SMUGGLED}`)),
    ...['\n', '\r', '\n\r', '\r\r\n', '\0\r\n'].map((end) =>
      post('Transfer-Encoding: chunked', `5${end}hello${end}0${end}${end}${SMUGGLED}`),
    ),
    ...firstLines.map((line) => `${line}\r\nHost: localhost\r\n\r\n${SMUGGLED}`),
    ...hosts.map((host) => `GET /api/x HTTP/1.1\r\nHost: ${host}\r\n\r\n${SMUGGLED}`),
    `GET /api/x HTTP/1.1\r\n\r\n${SMUGGLED}`,
    `GET /api/x HTTP/1.1\r\nHost: localhost\r\nHost: localhost\r\n\r\n${SMUGGLED}`,
    post('Content-Length: 5\r\nContent-Length: 5', `hello${SMUGGLED}`),
    post('Content-Length: 5\r\nContent-Length: 6', `hello!${SMUGGLED}`),
    post('Content-Length: 5\r\nContent_Length: 60', `hello${SMUGGLED}`),
    post('Content-Length: 5\r\ncontent-length : 60', `hello${SMUGGLED}`),
    post('Transfer-Encoding: chunked', `5\r\nhelloX\r\n0\r\n\r\n${SMUGGLED}`),
    post('Transfer-Encoding: chunked', `5\r\nhello0\r\n\r\n${SMUGGLED}`),
    post('Transfer-Encoding: chunked', `5\r\nhello\r\n0\r\nContent-Length: 50\r\n\r\n${SMUGGLED}`),
    post('Transfer-Encoding: chunked', `5\r\nhello\r\n0\r\nGET /api/y HTTP/1.1\r\n\r\n${SMUGGLED}`),
    post('Transfer-Encoding: chunked', `5\r\nhello\r\n0\r\n\r\n\r\n${SMUGGLED}`),
    post('Connection: Content-Length\r\nContent-Length: 5', `hello${SMUGGLED}`),
    post('Expect: 100-continue\r\nContent-Length: 5', `hello${SMUGGLED}`),
    post('Upgrade: h2c\r\nConnection: Upgrade, HTTP2-Settings\r\nHTTP2-Settings: AA\r\nContent-Length: 5', `hello${SMUGGLED}`),
    `GET /api/x HTTP/1.0\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n${SMUGGLED}`,
    `GET /api/x HTTP/1.0\r\nConnection: keep-alive\r\nContent-Length: 5\r\n\r\nhello${SMUGGLED}`,
    `GET /api/x HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n${SMUGGLED}`,
    `\r\n${SMUGGLED}`,
    `\r\n\r\n${SMUGGLED}`,
    `\n${SMUGGLED}`,
    `\r${SMUGGLED}`,
    ` ${SMUGGLED}`,
  ];
  return texts.map((text) => ({ kind: 'curated', bytes: Buffer.from(text, 'latin1') }));
}
