/** Field lines (RFC 9112 §5): strict, in the order of the wire, one character for each byte. */

import { markRepeated } from '../derive.ts';
import type { Fields } from '../message.ts';
import { USUAL_BYTES } from './head-collector.ts';
import { WireError } from './wire-error.ts';

/** RFC 9110 §5.6.2. */
export const TOKEN = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/;
/** RFC 9110 §5.5, each byte a character: all but control characters other than tab, so no stray CR or LF either. */
export const FIELD_VALUE = /^[\t -~\x80-\xff]*$/;

/** Some parsers take a tab behind the value for a part of it, and read the body by another framing than we. */
const FRAMING = /^(?:transfer-encoding|content-length)$/i;

const TAB = 9;
const SPACE = 32;

/**
 * Name, value, name, value, … of the lines from `from` to the end of `text`, which stands without its last line break. Throws `WireError` for
 * whatever is no field line: a fold, a space before the colon, a bare CR or LF, a control character.
 */
export function parseFieldLines(text: string, from: number): string[] {
  const fields: string[] = [];
  const hasTab = text.includes('\t', from);
  let at = from;
  while (at < text.length) {
    const breakAt = text.indexOf('\r\n', at);
    const lineEnd = breakAt === -1 ? text.length : breakAt;
    const colonAt = text.indexOf(':', at);
    if (colonAt === -1 || colonAt > lineEnd) throw new WireError('malformed', 'a field line has no colon: write "name: value"');
    const name = text.slice(at, colonAt);
    if (!TOKEN.test(name)) throw new WireError('malformed', 'a field name is malformed: use letters, digits and "-"');
    const value = trimmed(text, colonAt + 1, lineEnd);
    if (!FIELD_VALUE.test(value)) throw new WireError('malformed', 'a field value holds control characters: remove them');
    if (hasTab && FRAMING.test(name) && /\t *$/.test(text.slice(colonAt, lineEnd)))
      throw new WireError('malformed', 'a field that frames the body ends with a tab: remove it');
    fields.push(name, value);
    at = lineEnd + 2;
  }
  return fields;
}

/** The field sections of one connection: one that is byte for byte the last again is the same array again, and known to repeat. */
export class FieldSections {
  #text = '';
  #fields: Fields = [];

  /** As `parseFieldLines`. */
  parse(text: string, from: number): Fields {
    const section = text.slice(from);
    if (section === this.#text) {
      markRepeated(this.#fields);
      return this.#fields;
    }
    const fields = parseFieldLines(text, from);
    // What is cut out of a longer text would keep all of it.
    if (text.length > USUAL_BYTES) return fields;
    this.#text = section;
    this.#fields = fields;
    return fields;
  }
}

function trimmed(text: string, from: number, to: number): string {
  let start = from;
  let end = to;
  // Neither the colon in front nor the line break behind is blank: both end here.
  while (isBlank(text.charCodeAt(start))) start += 1;
  while (isBlank(text.charCodeAt(end - 1))) end -= 1;
  return text.slice(start, end);
}

function isBlank(code: number): boolean {
  return code === SPACE || code === TAB;
}

/** Fields as they stand on the wire, each line with its break. */
export function fieldLinesText(fields: Fields): string {
  let text = '';
  for (let i = 0; i < fields.length; i += 2) text += `${fields[i]}: ${fields[i + 1]}\r\n`;
  return text;
}
