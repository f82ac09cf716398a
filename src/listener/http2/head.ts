/** The head of a request as HTTP/2 writes it (RFC 9113 §8.2, §8.3), turned into the same head in HTTP/1.1, so that the same checks judge it. */

import { BrokerError } from '../../errors.ts';
import type { Fields } from '../../message.ts';
import { FIELD_VALUE } from '../../wire/field-lines.ts';
import type { RequestHead } from '../request-head.ts';

/** Lower case alone (RFC 9113 §8.2). */
const NAME = /^[!#$%&'*+\-.^_`|~0-9a-z]+$/;

const PSEUDO_NAMES = [':method', ':scheme', ':authority', ':path'] as const;
type Pseudo = Partial<Record<(typeof PSEUDO_NAMES)[number], string>>;

/** Fields as they are taken, and where the value of the one cookie among them stands. */
interface Section {
  readonly fields: string[];
  cookieAt?: number;
}

/** RFC 9113 §8.2.2: they frame messages and keep connections in HTTP/1.1, and mean nothing here but trouble behind us. */
const CONNECTION_SPECIFIC = new Set(['connection', 'keep-alive', 'proxy-connection', 'transfer-encoding', 'upgrade']);

/**
 * Throws REQUEST_INVALID. What carries credentials for a proxy is a request to one (RFC 9110 §7.1): its target becomes a whole URL, which HTTP/2
 * has no other way to say.
 */
export function readHead(raw: Fields): RequestHead {
  const pseudo: Pseudo = {};
  const section: Section = { fields: [] };
  const { fields } = section;
  for (let i = 0; i < raw.length; i += 2) {
    const name = raw[i] as string;
    const value = raw[i + 1] as string;
    if (name.startsWith(':')) takePseudo(pseudo, fields, name, value);
    else takeField(section, name, value);
  }
  const method = pseudo[':method'];
  if (method === undefined) throw invalid('the pseudo-field ":method" is missing: send it');
  const authority = authorityOf(pseudo, fields);
  if (authority !== undefined) fields.unshift('host', authority);
  // Refused by its method: it has neither a scheme nor a path (RFC 9113 §8.5).
  if (method === 'CONNECT') return { method, target: authority ?? '', version: '1.1', fields };
  checkScheme(pseudo[':scheme']);
  const path = pseudo[':path'] ?? '';
  if (path === '') throw invalid('the pseudo-field ":path" is missing or empty: begin it with "/"');
  const target = path.startsWith('/') && hasField(fields, 'proxy-authorization') ? `http://${authority ?? ''}${path}` : path;
  return { method, target, version: '1.1', fields };
}

/** Throws REQUEST_INVALID. What comes behind a body (RFC 9113 §8.1). */
export function readTrailers(raw: Fields): Fields {
  const section: Section = { fields: [] };
  for (let i = 0; i < raw.length; i += 2) takeField(section, raw[i] as string, raw[i + 1] as string);
  return section.fields;
}

function takePseudo(pseudo: Pseudo, fieldsBefore: Fields, name: string, value: string): void {
  const known = PSEUDO_NAMES.find((each) => each === name);
  if (known === undefined) throw invalid('a pseudo-field is unknown: send ":method", ":scheme", ":authority" and ":path" alone');
  if (pseudo[known] !== undefined) throw invalid(`the pseudo-field "${known}" is repeated: send it once`);
  if (fieldsBefore.length > 0) throw invalid(`the pseudo-field "${known}" comes after a field: send it first`);
  pseudo[known] = value;
}

function takeField(section: Section, name: string, value: string): void {
  if (!NAME.test(name)) throw invalid('a field name is malformed: use lower-case letters, digits and "-"');
  if (!FIELD_VALUE.test(value)) throw invalid('a field value holds control characters: remove them');
  if (/^[\t ]|[\t ]$/.test(value)) throw invalid('a field value begins or ends with a space: remove it');
  if (CONNECTION_SPECIFIC.has(name)) throw invalid(`the field "${name}" does not exist in HTTP/2: leave it out`);
  if (name === 'te' && value.toLowerCase() !== 'trailers') throw invalid('the field "te" asks for more than "trailers": leave it out');
  if (name === 'cookie') joinCookie(section, value);
  else section.fields.push(name, value);
}

/** RFC 9113 §8.2.3: crumbs of one field, which may be sent apart. */
function joinCookie(section: Section, crumb: string): void {
  const { fields, cookieAt } = section;
  if (cookieAt === undefined) section.cookieAt = fields.push('cookie', crumb) - 1;
  else fields[cookieAt] += `; ${crumb}`;
}

/** `Host` may say it too, but nothing else (RFC 9113 §8.3.1). Where it stays, it is judged as in HTTP/1.1. */
function authorityOf(pseudo: Pseudo, fields: string[]): string | undefined {
  const authority = pseudo[':authority'];
  if (authority === undefined) return undefined;
  for (let i = 0; i < fields.length; i += 2) {
    if (fields[i] !== 'host') continue;
    if (fields[i + 1] !== authority) throw invalid('the field "host" differs from ":authority": leave it out');
    fields.splice(i, 2);
    break;
  }
  return authority;
}

function checkScheme(scheme: string | undefined): void {
  if (scheme !== 'http' && scheme !== 'https') throw invalid('the pseudo-field ":scheme" is missing or unknown: send "http" or "https"');
}

function hasField(fields: Fields, name: string): boolean {
  return fields.some((each, i) => i % 2 === 0 && each === name);
}

function invalid(message: string): BrokerError {
  return new BrokerError('REQUEST_INVALID', message, { stage: 'listener' });
}
