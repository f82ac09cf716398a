/** The head of an answer, taken apart, with what follows it (RFC 9112 §4 and §6.3). Ambiguous heads are refused. */

import { derive } from '../derive.ts';
import type { Fields } from '../message.ts';
import { FieldSections } from './field-lines.ts';
import { WireError } from './wire-error.ts';

/** How a body is delimited: a number of bytes (0: there is none), chunks, or the end of the connection. */
export type Framing = number | 'chunked' | 'close';

export interface ParsedResponseHead {
  readonly status: number;
  readonly reason: string;
  readonly fields: Fields;
  readonly framing: Framing;
  /** Whether another request may follow on the connection once the body has ended. */
  readonly keepAlive: boolean;
  /** Seconds that the server says it keeps an idle connection; `undefined` when it does not say. */
  readonly keepAliveSeconds: number | undefined;
}

const STATUS_LINE = /^HTTP\/1\.[01] [1-5]\d\d(?: [\t -~\x80-\xff]*)?$/;
const VERSION_AT = 'HTTP/1.'.length;
const STATUS_AT = 'HTTP/1.1 '.length;
const REASON_AT = 'HTTP/1.1 200 '.length;

/** Whether the first bytes of what should be an answer can still become one: what speaks another protocol need not be waited for. */
export function mayBecomeResponse(text: string): boolean {
  return text.startsWith('HTTP/1.') || 'HTTP/1.'.startsWith(text);
}

/**
 * @param method of the request that is answered
 * @param sections of the connection. Throws `WireError`.
 */
export function parseResponseHead(text: string, method: string, sections = new FieldSections()): ParsedResponseHead {
  const breakAt = text.indexOf('\r\n');
  const line = breakAt === -1 ? text : text.slice(0, breakAt);
  if (!STATUS_LINE.test(line)) throw new WireError('malformed', 'the status line is malformed');
  const status = Number(line.slice(STATUS_AT, STATUS_AT + 3));
  const fields = breakAt === -1 ? [] : sections.parse(text, breakAt + 2);
  const facts = derive(fields, readConnectionFacts);
  const isVersion10 = line[VERSION_AT] === '0';
  if (isVersion10 && facts.chunked) throw new WireError('malformed', 'an HTTP/1.0 answer has a transfer coding');
  return {
    status,
    reason: line.slice(REASON_AT),
    fields,
    framing: hasNoBody(method, status) ? 0 : facts.chunked ? 'chunked' : (facts.length ?? 'close'),
    keepAlive: !isVersion10 && !facts.close,
    keepAliveSeconds: facts.keepAliveSeconds,
  };
}

/** RFC 9110 §6.4.1. What follows a 101 is another protocol, to the end of the connection. */
export function hasNoBody(method: string, status: number): boolean {
  return method === 'HEAD' || (status < 200 && status !== 101) || status === 204 || status === 304;
}

interface ConnectionFacts {
  length: number | undefined;
  chunked: boolean;
  close: boolean;
  keepAliveSeconds: number | undefined;
}

function readConnectionFacts(fields: Fields): Readonly<ConnectionFacts> {
  const facts: ConnectionFacts = { length: undefined, chunked: false, close: false, keepAliveSeconds: undefined };
  for (let i = 0; i < fields.length; i += 2) {
    const name = fields[i] as string;
    // The four names have lengths of their own: most fields are passed over without folding their case.
    const { length } = name;
    if (length !== 10 && length !== 14 && length !== 17) continue;
    readConnectionFact(name.toLowerCase(), fields[i + 1] as string, facts);
  }
  if (facts.chunked && facts.length !== undefined) throw new WireError('malformed', 'the answer has both a length and a transfer coding');
  return facts;
}

function readConnectionFact(name: string, value: string, facts: ConnectionFacts): void {
  switch (name) {
    case 'content-length':
      if (facts.length !== undefined) throw new WireError('malformed', 'the length of the answer is repeated');
      facts.length = readLength(value);
      return;
    case 'transfer-encoding':
      // We offer no other coding (no TE is ever sent), so nothing else is acceptable.
      if (facts.chunked || value.toLowerCase() !== 'chunked') throw new WireError('malformed', 'the transfer coding is not "chunked"');
      facts.chunked = true;
      return;
    case 'connection':
      if (/(?:^|[,\s])close(?:$|[,\s])/i.test(value)) facts.close = true;
      return;
    case 'keep-alive': {
      const seconds = /(?:^|[,\s])timeout=(\d{1,6})/i.exec(value)?.[1];
      if (seconds !== undefined) facts.keepAliveSeconds = Number(seconds);
    }
  }
}

function readLength(value: string): number {
  const length = /^\d+$/.test(value) ? Number(value) : Number.NaN;
  if (!Number.isSafeInteger(length)) throw new WireError('malformed', 'the length of the answer is malformed');
  return length;
}
