/** Turns what the platform and the HTTP client report into the codes a caller is shown: by code, never by class. */

import { BrokerError, toBrokerError } from '../errors.ts';

interface Verdict {
  readonly code: 'UPSTREAM_UNREACHABLE' | 'UPSTREAM_RESET' | 'UPSTREAM_INVALID_RESPONSE' | 'UPSTREAM_TIMEOUT' | 'BROKER_OVERLOADED';
  readonly proxyError: string;
  readonly message: string;
  readonly retryAfterSeconds?: number;
}

const REFUSED: Verdict = { code: 'UPSTREAM_UNREACHABLE', proxyError: 'connection_refused', message: 'the upstream refuses connections' };
const NO_ROUTE: Verdict = {
  code: 'UPSTREAM_UNREACHABLE',
  proxyError: 'destination_ip_unroutable',
  message: 'there is no way to the upstream',
};
const DNS: Verdict = { code: 'UPSTREAM_UNREACHABLE', proxyError: 'dns_error', message: "the upstream's name cannot be resolved" };
const TLS_IDENTITY: Verdict = {
  code: 'UPSTREAM_UNREACHABLE',
  proxyError: 'tls_certificate_error',
  message: 'the TLS identity of the upstream cannot be verified',
};
const TLS_ALERT: Verdict = {
  code: 'UPSTREAM_UNREACHABLE',
  proxyError: 'tls_alert_received',
  message: 'the upstream refuses to speak TLS with the broker',
};
const TLS: Verdict = {
  code: 'UPSTREAM_UNREACHABLE',
  proxyError: 'tls_protocol_error',
  message: 'TLS with the upstream failed',
};
const RESET: Verdict = {
  code: 'UPSTREAM_RESET',
  proxyError: 'connection_terminated',
  message: 'the upstream closed the connection before it had answered',
};
const INVALID: Verdict = {
  code: 'UPSTREAM_INVALID_RESPONSE',
  proxyError: 'http_protocol_error',
  message: 'the upstream sent an answer that is not valid HTTP',
};
const PROXY_CHALLENGE: Verdict = {
  ...INVALID,
  message: 'the upstream asks for the credentials of a proxy, which no caller can send there',
};
const CONNECT_TIMEOUT: Verdict = {
  code: 'UPSTREAM_TIMEOUT',
  proxyError: 'connection_timeout',
  message: 'connecting to the upstream took too long',
};
const ANSWER_TIMEOUT: Verdict = {
  code: 'UPSTREAM_TIMEOUT',
  proxyError: 'http_response_timeout',
  message: 'the upstream took too long to answer',
};

const PROXY_UNREACHABLE: Verdict = {
  code: 'UPSTREAM_UNREACHABLE',
  proxyError: 'destination_unavailable',
  message: 'the HTTP proxy on the way to the upstream cannot be reached',
};
const PROXY_CREDENTIALS: Verdict = {
  code: 'UPSTREAM_UNREACHABLE',
  proxyError: 'proxy_configuration_error',
  message: 'the HTTP proxy on the way to the upstream does not accept the credentials of "proxy"',
};
const PROXY_REFUSED: Verdict = {
  code: 'UPSTREAM_UNREACHABLE',
  proxyError: 'destination_unavailable',
  message: 'the HTTP proxy does not connect to the upstream',
};

/** Of this machine or this process, not of the upstream. */
const SHORTAGE: Verdict = {
  code: 'BROKER_OVERLOADED',
  proxyError: 'connection_limit_reached',
  message: 'no more connections can be opened here; try again later',
  retryAfterSeconds: 1,
};
const CROWDED: Verdict = { ...SHORTAGE, message: 'too many requests wait for a connection to the upstream; try again later' };

const BY_CODE: Readonly<Record<string, Verdict>> = {
  ECONNREFUSED: REFUSED,
  ENOENT: REFUSED,
  EACCES: REFUSED,
  EADDRNOTAVAIL: NO_ROUTE,
  EHOSTUNREACH: NO_ROUTE,
  ENETUNREACH: NO_ROUTE,
  EMFILE: SHORTAGE,
  ENFILE: SHORTAGE,
  ENOBUFS: SHORTAGE,
  ENOTFOUND: DNS,
  EAI_AGAIN: DNS,
  EAI_FAIL: DNS,
  ETIMEDOUT: CONNECT_TIMEOUT,
  ECONNRESET: RESET,
  EPIPE: RESET,
  WireError: INVALID,
  PROXY_UNREACHABLE,
  PROXY_CREDENTIALS,
  PROXY_REFUSED,
};

/** OpenSSL's verification results come under many names. */
const TLS_IDENTITY_CODE =
  /^(?:ERR_TLS_CERT_|CERT_|CRL_|UNABLE_TO_|DEPTH_ZERO_|SELF_SIGNED_|HOSTNAME_MISMATCH|INVALID_CA|INVALID_PURPOSE|ERROR_IN_CERT|PATH_LENGTH_)/;
const TLS_ALERT_CODE = /^ERR_SSL_(?:SSLV3|TLSV1|TLSV13)_ALERT_/;
const TLS_CODE = /^(?:ERR_TLS_|ERR_SSL_|EPROTO|ERR_OSSL)/;

export function connectTimeout(): BrokerError {
  return ofVerdict(CONNECT_TIMEOUT);
}

export function proxyChallenge(): BrokerError {
  return ofVerdict(PROXY_CHALLENGE);
}

export function overloaded(): BrokerError {
  return ofVerdict(CROWDED);
}

export function answerTimeout(): BrokerError {
  return ofVerdict(ANSWER_TIMEOUT);
}

/** Reads the most telling code in the chain of causes. */
export function toUpstreamError(error: unknown): BrokerError {
  if (error instanceof BrokerError) return error;
  if (isFault(error)) return toBrokerError(error, 'upstream');
  const verdict =
    codesOf(error)
      .map(verdictOf)
      .find((found) => found !== undefined) ?? RESET;
  return ofVerdict(verdict, error);
}

/** What only a mistake of ours throws: the platform gives its own errors of these kinds a code. */
function isFault(error: unknown): boolean {
  const { name, code } = (error ?? {}) as { name?: unknown; code?: unknown };
  return code === undefined && (name === 'TypeError' || name === 'RangeError' || name === 'ReferenceError');
}

function ofVerdict({ code, message, ...more }: Verdict, cause?: unknown): BrokerError {
  return new BrokerError(code, message, { stage: 'upstream', cause, ...more });
}

function verdictOf(code: string): Verdict | undefined {
  if (Object.hasOwn(BY_CODE, code)) return BY_CODE[code];
  if (TLS_IDENTITY_CODE.test(code)) return TLS_IDENTITY;
  if (TLS_ALERT_CODE.test(code)) return TLS_ALERT;
  return TLS_CODE.test(code) ? TLS : undefined;
}

/** Codes from the outside in; the addresses tried by happy eyeballs come last. */
function codesOf(error: unknown): string[] {
  const codes: string[] = [];
  const queue: unknown[] = [error];
  for (let i = 0; i < queue.length && i < 10; i += 1) {
    const link = queue[i];
    if (typeof link !== 'object' || link === null) continue;
    const { code, name, cause, errors } = link as { code?: unknown; name?: unknown; cause?: unknown; errors?: unknown };
    if (typeof code === 'string') codes.push(code);
    if (name === 'WireError') codes.push(name);
    queue.push(cause, ...(Array.isArray(errors) ? errors : []));
  }
  return codes;
}
