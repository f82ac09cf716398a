/** The head of a request as text, taken apart (RFC 9112 §3): only its form is judged here, not what it asks for. */

import type { Fields } from '../message.ts';
import { FieldSections } from './field-lines.ts';
import { WireError } from './wire-error.ts';

export interface ParsedRequestHead {
  readonly method: string;
  readonly target: string;
  readonly version: '1.0' | '1.1';
  readonly fields: Fields;
}

/** RFC 9112 §3: single spaces, and nothing else that could pass for one. */
const REQUEST_LINE = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+ [^\s]+ HTTP\/\d\.\d$/;
const VERSION_LENGTH = 'HTTP/1.1'.length;

/** Whether the first bytes of what should be a request can still become one: what speaks another protocol need not be waited for. */
export function mayBecomeRequest(text: string): boolean {
  return /^[!#$%&'*+\-.^_`|~0-9A-Za-z]*(?: |$)/.test(text);
}

/** @param sections of the connection. Throws `WireError`. */
export function parseRequestHead(text: string, sections = new FieldSections()): ParsedRequestHead {
  const breakAt = text.indexOf('\r\n');
  const line = breakAt === -1 ? text : text.slice(0, breakAt);
  if (!REQUEST_LINE.test(line)) throw new WireError('malformed', 'the request line is malformed: write "METHOD /path HTTP/1.1"');
  const version = line.slice(-3);
  if (version !== '1.1' && version !== '1.0') throw new WireError('version', 'the HTTP version is not supported: use HTTP/1.1');
  const methodEnd = line.indexOf(' ');
  return {
    method: line.slice(0, methodEnd),
    target: line.slice(methodEnd + 1, -VERSION_LENGTH - 1),
    version,
    fields: breakAt === -1 ? [] : sections.parse(text, breakAt + 2),
  };
}
