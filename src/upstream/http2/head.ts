/** Heads and trailers as HTTP/2 writes them (RFC 9113 §8.2, §8.3): pseudo-fields first, names in lower case. */

import { type Fields, fieldValues } from '../../message.ts';
import { WireError } from '../../wire/wire-error.ts';
import type { UpstreamRequest } from '../connections.ts';

/** What could be read as another line by a caller of HTTP/1.1 (RFC 9113 §8.2.1). */
const NO_NAME = /[^!#$%&'*+\-.^_`|~0-9a-z]/;
const NO_VALUE = /[^\t -~\x80-\xff]/;

/** The request's head; `Host` becomes `:authority`. Trailers are taken, and said to be (gRPC insists on it). */
export function headOf({ method, target, fields, body }: UpstreamRequest, scheme: string): string[] {
  const head = [':method', method, ':scheme', scheme, ':authority', '', ':path', target];
  const lines = fields.flat();
  for (let i = 0; i < lines.length; i += 2) {
    const name = (lines[i] as string).toLowerCase();
    const value = lines[i + 1] as string;
    if (name === 'host') head[5] = value;
    else head.push(name, value);
  }
  head.push('te', 'trailers');
  if (body?.length !== undefined) head.push('content-length', String(body.length));
  return head;
}

/** Name, value, name, value, … without the pseudo-fields. Throws `WireError`. */
export function fieldsOf(raw: readonly string[]): string[] {
  const fields: string[] = [];
  for (let i = 0; i < raw.length; i += 2) {
    const name = raw[i] as string;
    const value = raw[i + 1] as string;
    if (name.startsWith(':')) continue;
    if (name === '' || NO_NAME.test(name) || NO_VALUE.test(value)) throw new WireError('malformed', 'a field of the answer is malformed');
    fields.push(name, value);
  }
  return fields;
}

/** Throws `WireError`. */
export function statusOf(raw: readonly string[]): number {
  const value = raw[raw.indexOf(':status') + 1] ?? '';
  if (!/^[1-5]\d\d$/.test(value)) throw new WireError('malformed', 'the status of the answer is malformed');
  return Number(value);
}

/** Bytes of the answer to come; infinite where it does not say. Throws `WireError`. */
export function announcedLength(fields: Fields): number {
  const values = fieldValues(fields, 'content-length');
  if (values.length === 0) return Number.POSITIVE_INFINITY;
  const length = values.length === 1 && /^\d+$/.test(values[0] as string) ? Number(values[0]) : Number.NaN;
  if (!Number.isSafeInteger(length)) throw new WireError('malformed', 'the length of the answer is malformed or repeated');
  return length;
}
