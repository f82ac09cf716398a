/** Which fields cross the broker, in both directions, and which are ours to set. */

import type { Derivation } from '../derive.ts';
import type { Fields } from '../message.ts';
import { receivedTraceparent } from '../telemetry/trace-context.ts';

/** RFC 9110 §7.6.1, and fields that only ever concerned one connection. Framing is stated anew by each side. */
const HOP_BY_HOP = new Set([
  'connection',
  'keep-alive',
  'proxy-connection',
  'proxy-authenticate',
  'proxy-authentication-info',
  'proxy-authorization',
  'te',
  'trailer',
  'transfer-encoding',
  'upgrade',
  'http2-settings',
]);

/** Fields of a request that the broker owns: the caller's are dropped, however they are spelled. */
const OWNED = new Set([
  ...HOP_BY_HOP,
  'host',
  'content-length',
  'expect',
  'authorization',
  'forwarded',
  'traceparent',
  'x-request-id',
  'via',
  // Only a proxy that knows could say these; some servers take the path or the caller from them.
  'x-original-host',
  'x-original-method',
  'x-original-uri',
  'x-original-url',
  'x-real-ip',
  'x-rewrite-url',
]);

/** Which of a caller's fields go on. */
export interface Passing {
  readonly host: string;
  /** The caller's `Authorization` was meant for us, or a token takes its place. */
  readonly dropAuthorization: boolean;
  /** Names of fields that are not the caller's to set; dropped however they are spelled. */
  readonly replaced: readonly string[];
}

/**
 * Gives `Host` and the fields of a caller that go on. What `Connection` lists is dropped first, and ours are added behind (`ownFields`), so
 * that no caller can have them removed by listing them, or double them by a twin name.
 */
export function createPassing({ host, dropAuthorization, replaced }: Passing): Derivation<Fields> {
  const dropped = new Set(replaced.map(fold));
  const keeps = (lower: string) => lower === 'via' || (lower === 'authorization' && !dropAuthorization);
  return (received) => {
    const listed = connectionListed(received);
    const sent: string[] = ['host', host];
    let traceparent: string | undefined;
    for (let i = 0; i < received.length; i += 2) {
      const name = received[i] as string;
      const lower = name.toLowerCase();
      if (listed?.has(lower)) continue;
      const folded = fold(lower);
      if (dropped.has(folded) || folded.startsWith('x-forwarded-')) continue;
      // It goes with a trace, and one that was begun here has none (W3C Trace Context §3.3).
      if (folded === 'tracestate') traceparent ??= receivedTraceparent(received);
      if (folded === 'tracestate' && traceparent === '') continue;
      // Owned fields pass only where they are spelled exactly.
      if (!OWNED.has(folded) || keeps(lower)) sent.push(name, received[i + 1] as string);
    }
    return sent;
  };
}

/** What we add to a request. */
export interface OwnFacts {
  readonly requestId: string;
  readonly traceparent: string;
  /** The version of HTTP that the request came in (RFC 9110 §7.6.3); `undefined` where no `Via` is wanted. */
  readonly via: string | undefined;
  /** Protocols to ask for (RFC 9110 §7.8): the only hop-by-hop fields that go out. */
  readonly upgrade: string | undefined;
}

export function ownFields({ requestId, traceparent, via, upgrade }: OwnFacts): string[] {
  const own =
    via === undefined
      ? ['x-request-id', requestId, 'traceparent', traceparent]
      : ['x-request-id', requestId, 'traceparent', traceparent, 'via', `${via} token-broker`];
  if (upgrade !== undefined) own.push('connection', 'Upgrade', 'upgrade', upgrade);
  return own;
}

/**
 * Gives the fields of an answer that go to the caller.
 *
 * @param rewrite maps `Location` and `Content-Location`
 * @param kept names of fields that are not for the caller: they are for us, or would tell it our token
 */
export function createAnswerPassing(rewrite: ((value: string) => string) | undefined, kept: readonly string[] = []): Derivation<Fields> {
  const withheld = new Set(kept.map((name) => name.toLowerCase()));
  return (received) => {
    const listed = connectionListed(received);
    const passed: string[] = [];
    let hasStatus = false;
    for (let i = 0; i < received.length; i += 2) {
      const name = received[i] as string;
      const value = received[i + 1] as string;
      const lower = name.toLowerCase();
      hasStatus ||= lower === 'proxy-status';
      if (HOP_BY_HOP.has(lower) || listed?.has(lower) || withheld.has(lower)) continue;
      passed.push(name, rewrite !== undefined && (lower === 'location' || lower === 'content-location') ? rewrite(value) : value);
    }
    // The last member is ours (RFC 9209 §2), and says nothing: whatever one before it says of a refusal, in whose name ever, is not of our own.
    if (hasStatus) passed.push('proxy-status', 'token-broker');
    return passed;
  };
}

/** RFC 9110 §6.5.1: what decides framing, routing, trust or how the body is read must not come after it. */
const NOT_IN_TRAILERS = new Set([
  ...OWNED,
  'cache-control',
  'content-encoding',
  'content-range',
  'content-type',
  'cookie',
  'dpop',
  'dpop-nonce',
  'expires',
  'location',
  'max-forwards',
  'proxy-status',
  'range',
  'retry-after',
  'set-cookie',
  'vary',
  'www-authenticate',
]);

/** The fields behind the body of a request: nothing that its head says, for whoever merges the two. */
export function requestTrailers(received: Fields, head: readonly Fields[]): Fields {
  if (received.length === 0) return received;
  const said = head.flat().filter((_, i) => i % 2 === 0);
  return trailerFields(received, new Set(said.map(fold)));
}

/**
 * The fields behind a body, in either direction.
 *
 * @param said folded names that were in the head
 */
export function trailerFields(received: Fields, said: ReadonlySet<string> = new Set()): Fields {
  if (received.length === 0) return received;
  const passed: string[] = [];
  for (let i = 0; i < received.length; i += 2) {
    const name = received[i] as string;
    const folded = fold(name);
    if (!NOT_IN_TRAILERS.has(folded) && !said.has(folded) && !folded.startsWith('x-forwarded-'))
      passed.push(name, received[i + 1] as string);
  }
  return passed;
}

/**
 * A name as lenient servers read it: CGI and its heirs make `_` and `.` the same as `-`, so `Authorization_` or
 * `x.forwarded.for` could pass for a field of ours (GHSA-vjrc-mh2v-45x6).
 */
function fold(name: string): string {
  const lower = name.toLowerCase();
  return /[_.]|-$/.test(lower) ? withoutLastDashes(lower.replace(/[_.]/g, '-')) : lower;
}

/** A pattern would look at each run of dashes once for each dash in it: 0.6 s for the 16 KB that a caller may send. */
function withoutLastDashes(name: string): string {
  let end = name.length;
  while (name[end - 1] === '-') end -= 1;
  return name.slice(0, end);
}

/** Lower-case names that a `Connection` field declares to be hop-by-hop. */
function connectionListed(fields: Fields): Set<string> | undefined {
  let listed: Set<string> | undefined;
  for (let i = 0; i < fields.length; i += 2) {
    const name = fields[i] as string;
    if (name.length !== 10 || name.toLowerCase() !== 'connection') continue;
    for (const part of (fields[i + 1] as string).split(',')) {
      listed ??= new Set();
      listed.add(part.trim().toLowerCase());
    }
  }
  return listed;
}
