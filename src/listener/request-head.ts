/** Judges the head of a request on its raw fields, before any is merged or dropped: what could be read in two ways is refused. */

import type { ListenerConfig } from '../config/schema/listeners.ts';
import { derive } from '../derive.ts';
import { BrokerError, type ErrorCode } from '../errors.ts';
import { type Fields, fieldValues } from '../message.ts';
import { FIELD_VALUE, TOKEN } from '../wire/field-lines.ts';
import { readHost } from './host.ts';

export interface RequestHead {
  readonly method: string;
  readonly target: string;
  /** Without "HTTP/": `1.1`. */
  readonly version: string;
  readonly fields: Fields;
}

/** What the checks learn on the way. `length` or `chunked` says how the body is framed; with neither there is none. */
export interface CheckedHead {
  /** Path and query. */
  readonly target: string;
  /** Host and port of a target that was a whole URL. */
  readonly authority: string | undefined;
  /** Lower-case and without the port; `""` for HTTP/1.0 without a Host. */
  readonly host: string;
  readonly length: number | undefined;
  readonly chunked: boolean;
  /** Another request may follow on the connection (RFC 9112 §9.3). */
  readonly persistent: boolean;
  /** The body is held back until `100 Continue` (RFC 9110 §10.1.1). */
  readonly awaitsContinue: boolean;
  /** Protocols that the caller would change to (RFC 9110 §7.8); `undefined` where it names none, or its request has a body. */
  readonly upgrade: string | undefined;
}

/** The fields that decide what a request means; each may come once. No two names are equally long. */
interface Deciding {
  host: string | undefined;
  expect: string | undefined;
  authorization: string | undefined;
  'content-length': string | undefined;
  'transfer-encoding': string | undefined;
  'proxy-authorization': string | undefined;
  /** All lines of it; these may be several. */
  connection: string;
  /** Without a port, lower-case; `undefined` where `host` is missing or malformed. */
  hostName: string | undefined;
  /** Bytes of all lines. */
  size: number;
}

type Unique = Exclude<keyof Deciding, 'connection' | 'hostName' | 'size'>;

const DECIDING_NAME_OF_LENGTH: Partial<Record<number, Unique>> = {
  4: 'host',
  6: 'expect',
  13: 'authorization',
  14: 'content-length',
  17: 'transfer-encoding',
  19: 'proxy-authorization',
};

const ALLOWED_METHODS = 'GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS';

/** What a field line holds beyond its name and value: ": " and the line break. */
const LINE_OVERHEAD = 4;
/** What the head holds beyond method, target and field lines: two spaces, "HTTP/1.1" and two line breaks. */
const HEAD_OVERHEAD = 14;

/** Throws what the contract refuses of a head (RFC 9110 §5.5, RFC 9112 §3.2 and §6). What the target holds is `checkTarget`'s. */
export function checkRequestHead(head: RequestHead, limits: ListenerConfig['limits']): CheckedHead {
  const { method, target, version, fields } = head;
  if (version !== '1.1' && version !== '1.0') throw invalid('the HTTP version is not supported: use HTTP/1.1', 505);
  checkRequestLine(head, limits);
  if (fields.length > 2 * limits.maxFields) throw tooLarge('the request has too many fields: send fewer', 431);
  const deciding = derive(fields, checkFields);
  if (deciding.size + method.length + target.length + HEAD_OVERHEAD > limits.maxHeader)
    throw tooLarge('the request head is too large: send fewer or shorter fields', 431);
  const host = hostOf(deciding, version);
  if (deciding.expect !== undefined && deciding.expect.toLowerCase() !== '100-continue') {
    throw invalid('the field "expect" asks for something unknown: send "100-continue" or nothing', 417);
  }
  const persistent = isPersistent(version, deciding.connection);
  // An HTTP/1.0 client cannot expect an interim answer.
  const awaitsContinue = deciding.expect !== undefined && version === '1.1';
  const transferEncoding = deciding['transfer-encoding'];
  const contentLength = deciding['content-length'];
  if (transferEncoding === undefined) {
    const length = contentLength === undefined ? undefined : readLength(contentLength);
    const upgrade = deciding.connection === '' || length ? undefined : upgradeOf(head, deciding.connection);
    return { target, authority: undefined, host, length, chunked: false, persistent, awaitsContinue, upgrade };
  }
  if (contentLength !== undefined) throw invalid('the request has both "content-length" and "transfer-encoding": send one of them');
  checkTransferEncoding(transferEncoding, version);
  return { target, authority: undefined, host, length: undefined, chunked: true, persistent, awaitsContinue, upgrade: undefined };
}

/** What is asked, and how long its target is; what that holds is `checkTarget`'s. */
export function checkRequestLine({ method, target }: Pick<RequestHead, 'method' | 'target'>, limits: ListenerConfig['limits']): void {
  checkMethod(method);
  if (target.length > limits.maxTarget) throw tooLarge('the request target is too long: shorten it', 414);
}

/** RFC 9112 §9.3. */
function isPersistent(version: string, connection: string): boolean {
  if (connection === '') return version === '1.1';
  const options = optionsOf(connection);
  return !options.includes('close') && (version === '1.1' || options.includes('keep-alive'));
}

/** Another version of HTTP, or TLS under it: what is said in such a tunnel would be requests that no route has seen (h2c smuggling). */
const HTTP_AGAIN = /(?:^|[,\s])(?:h\d[^,/\s]*|https?|tls)(?:$|[,/\s])/i;

/** RFC 9110 §7.8: ignored in HTTP/1.0 and where `Connection` does not name it. An answer to HEAD leaves no room for another protocol. */
function upgradeOf({ method, version, fields }: RequestHead, connection: string): string | undefined {
  if (version === '1.0' || method === 'HEAD' || !optionsOf(connection).includes('upgrade')) return undefined;
  const protocols = fieldValues(fields, 'upgrade').join(', ');
  return protocols === '' || HTTP_AGAIN.test(protocols) ? undefined : protocols;
}

function optionsOf(connection: string): string[] {
  return connection.toLowerCase().split(/[,\s]+/);
}

function checkMethod(method: string): void {
  if (method === 'GET' || method === 'POST') return;
  if (method === 'TRACE') throw invalid('TRACE is not allowed: it would show the token', 405, ['Allow', ALLOWED_METHODS]);
  if (method === 'CONNECT') {
    // A tunnel would be opaque: no token could be put on what goes through it.
    throw invalid('CONNECT is not supported: send the request itself, with an "http" URL; the route speaks https to its upstream', 501);
  }
  if (!TOKEN.test(method)) throw invalid('the method is malformed: use one such as "GET"');
  // Methods are case-sensitive (RFC 9110 §9.1), but not everybody knows: "trace" must not reach one who reads it as TRACE.
  if (method !== method.toUpperCase()) throw invalid('the method is not in capitals: write one such as "GET"');
}

/** One pass over the lines; gives the deciding ones. */
function checkFields(fields: Fields): Readonly<Deciding> {
  const deciding: Deciding = {
    host: undefined,
    expect: undefined,
    authorization: undefined,
    'content-length': undefined,
    'transfer-encoding': undefined,
    'proxy-authorization': undefined,
    connection: '',
    hostName: undefined,
    size: 0,
  };
  for (let i = 0; i < fields.length; i += 2) {
    const name = fields[i] as string;
    const value = fields[i + 1] as string;
    deciding.size += name.length + value.length + LINE_OVERHEAD;
    if (!TOKEN.test(name)) throw invalid('a field name is malformed: use letters, digits and "-"');
    if (!FIELD_VALUE.test(value)) throw invalid('a field value holds control characters: remove them');
    if (name.length === 10 && name.toLowerCase() === 'connection') deciding.connection += `,${value}`;
    const decidingName = DECIDING_NAME_OF_LENGTH[name.length];
    if (decidingName === undefined || name.toLowerCase() !== decidingName) continue;
    if (deciding[decidingName] !== undefined) throw invalid(`the field "${decidingName}" is repeated: send it once`);
    deciding[decidingName] = value;
  }
  if (deciding.host !== undefined) deciding.hostName = readHost(deciding.host);
  return deciding;
}

function hostOf({ host, hostName }: Pick<Deciding, 'host' | 'hostName'>, version: string): string {
  if (host === undefined) {
    if (version === '1.0') return '';
    throw invalid('the field "host" is missing: HTTP/1.1 needs it');
  }
  if (hostName === undefined) throw invalid('the field "host" is malformed: send a name or an address, and a port where there is one');
  return hostName;
}

/** RFC 9112 §6.3: a list, even of equal lengths, is refused, and so is what a number cannot hold exactly. */
function readLength(value: string): number {
  const length = /^\d+$/.test(value) ? Number(value) : Number.NaN;
  if (!Number.isSafeInteger(length)) throw invalid('the field "content-length" is malformed: send the number of bytes in digits');
  return length;
}

/** RFC 9112 §6.1: nothing but a single "chunked"; another coding in its place is one we do not know. */
function checkTransferEncoding(value: string, version: string): void {
  if (version === '1.0') throw invalid('the field "transfer-encoding" does not exist in HTTP/1.0: use HTTP/1.1');
  if (value.toLowerCase() === 'chunked') return;
  if (TOKEN.test(value)) throw invalid('the transfer coding is not supported: use "chunked"', 501);
  throw invalid('the field "transfer-encoding" is malformed: send "chunked" alone');
}

function invalid(message: string, status = 400, fields: Fields = []): BrokerError {
  return refusal('REQUEST_INVALID', message, status, fields);
}

function tooLarge(message: string, status: 414 | 431): BrokerError {
  return refusal('REQUEST_TOO_LARGE', message, status, []);
}

/** Whoever sends such a head may mean something else by what follows it on the connection. */
function refusal(code: ErrorCode, message: string, status: number, fields: Fields): BrokerError {
  return new BrokerError(code, message, { stage: 'listener', status, fields, close: true });
}
