/** A span, and how OTLP writes it in JSON: https://opentelemetry.io/docs/specs/otlp/#json-protobuf-encoding. */

export interface Span {
  /** 32 and 16 hex digits. */
  readonly traceId: string;
  readonly spanId: string;
  readonly parentSpanId: string | undefined;
  readonly kind: 'server' | 'client';
  readonly name: string;
  /** Milliseconds since the epoch. */
  readonly startedAt: number;
  readonly endedAt: number;
  /** Of the config, of HTTP, or codes of ours: never what a caller or a server wrote freely. */
  readonly attributes: Readonly<Record<string, string | number | undefined>>;
  readonly failed: boolean;
}

const KINDS = { server: 2, client: 3 } as const;
const ERROR = 2;

/** The body of one export. @param from attributes of where the spans come from */
export function otlpOf(from: Readonly<Record<string, string>>, spans: readonly Span[]): object {
  const resource = { attributes: attributesOf(from) };
  return { resourceSpans: [{ resource, scopeSpans: [{ scope: { name: 'token-broker' }, spans: spans.map(spanOf) }] }] };
}

function spanOf({ traceId, spanId, parentSpanId, kind, name, startedAt, endedAt, attributes, failed }: Span): object {
  return {
    traceId,
    spanId,
    ...(parentSpanId !== undefined && { parentSpanId }),
    name,
    kind: KINDS[kind],
    startTimeUnixNano: nanoseconds(startedAt),
    endTimeUnixNano: nanoseconds(endedAt),
    attributes: attributesOf(attributes),
    status: failed ? { code: ERROR } : {},
  };
}

/** 64-bit numbers are strings in JSON. */
function nanoseconds(ms: number): string {
  return String(BigInt(Math.round(ms * 1_000)) * 1_000n);
}

function attributesOf(attributes: Span['attributes']): object[] {
  return Object.entries(attributes).flatMap(([key, value]) => {
    if (value === undefined) return [];
    return [{ key, value: typeof value === 'number' ? { intValue: String(value) } : { stringValue: value } }];
  });
}
