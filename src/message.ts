/** The data plane as the stages see it: a request, an answer, a body in motion. No class of any HTTP library appears here. */

/** Raw field lines in the order of the wire: name, value, name, value, … Text is latin1: one character is one byte. */
export type Fields = readonly string[];

/** Takes a body chunk by chunk. Exactly one of `end` and `fail` is the last call. */
export interface BodySink {
  /** The bytes are lent until it returns or, if the sender is paused then, until it is resumed. */
  chunk(bytes: Uint8Array): void;
  end(trailers: Fields): void;
  /** The body breaks off here and must never look complete to whoever reads it. */
  fail(cause: Error): void;
}

/** A message body that has not been read yet. One consumer; nothing flows before `pipe`. */
export interface Body {
  /** Bytes announced by `Content-Length`; `undefined` when the body is chunked or ends with the connection. */
  readonly length: number | undefined;
  pipe(sink: BodySink): void;
  /** The consumer is full: stop sending soon. Chunks already on their way may still arrive. */
  pause(): void;
  resume(): void;
  /** Nobody wants the rest. */
  discard(): void;
}

/**
 * What a caller says once it may speak another protocol (RFC 9110 §7.8). Piped only after `Reply.start(101, …)`, whose sink then takes the
 * other direction.
 */
export interface Upgrade extends Body {
  /** The `Upgrade` field as it was sent. */
  readonly protocols: string;
}

/** What TLS told of the caller; `undefined` parts were not presented or not verified. */
export interface Peer {
  /** IP address, or `""` on a Unix socket. */
  readonly address: string;
  readonly encrypted: boolean;
  /** The client certificate, or why one that was presented did not verify against the listener's `clientCa`: a code of OpenSSL. */
  readonly certificate: PeerCertificate | { readonly unverified: string } | undefined;
}

/** The parts of a verified client certificate by which a caller can be known. */
export interface PeerCertificate {
  readonly uris: readonly string[];
  readonly dnsNames: readonly string[];
  /** Only set when the certificate has no subject alternative names (RFC 6125 §6.4.4). */
  readonly commonName: string | undefined;
  /** SHA-256 of the DER form, lower-case hex without colons. */
  readonly fingerprint: string;
  /** Milliseconds since the epoch. */
  readonly notBeforeAt: number;
  readonly notAfterAt: number;
}

/** A request whose head has passed the listener's checks. */
export interface CallerRequest {
  readonly id: string;
  /** The listener's name in the config. */
  readonly listener: string;
  /** Of HTTP, as the caller spoke it. */
  readonly version: '1.0' | '1.1' | '2.0';
  readonly method: string;
  /** Path and query, byte for byte as received. */
  readonly target: string;
  /** The name that was asked for, without its port, lower-case; `""` for HTTP/1.0 without one. */
  readonly host: string;
  /** Host and port of a target that was a whole URL, as forward proxies are sent; `Host` says nothing then (RFC 9112 §3.2.2). */
  readonly authority: string | undefined;
  readonly fields: Fields;
  /** `undefined` when the message has no body. */
  readonly body: Body | undefined;
  /** `undefined` when it asks for no other protocol, or could not be given one. */
  readonly upgrade: Upgrade | undefined;
  readonly peer: Peer;
  /** Runs `listener` once if the caller goes away before its answer is complete. */
  onAbandoned(listener: () => void): void;
  readonly abandoned: boolean;
  /** It was not the caller that went away: there was no more time for it. */
  readonly sentAway: boolean;
}

/** Where the answer goes. `start` may be called once; what it returns takes the body, and drops it where HEAD was asked. */
export interface Reply {
  readonly started: boolean;
  /** 1xx on the way to the answer. */
  interim(status: number, fields: Fields): void;
  /** `resume` is called each time the sink has room again after it was full. */
  start(status: number, reason: string, fields: Fields, resume: () => void): ReplySink;
}

/** A `BodySink` with backpressure towards the sender. */
export interface ReplySink extends BodySink {
  /** True while the sender should hold back. */
  readonly full: boolean;
}

/** The first value of a field, by its lower-case name. */
export function fieldValue(fields: Fields, lowerCaseName: string): string | undefined {
  for (let i = 0; i < fields.length; i += 2) {
    const name = fields[i] as string;
    if (name.length === lowerCaseName.length && name.toLowerCase() === lowerCaseName) return fields[i + 1];
  }
  return undefined;
}

/** The values of all lines of a field, by its lower-case name. */
export function fieldValues(fields: Fields, lowerCaseName: string): string[] {
  return fields.filter((_, i) => i % 2 === 1 && fields[i - 1]?.toLowerCase() === lowerCaseName);
}
