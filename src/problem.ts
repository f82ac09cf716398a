/** A failure as the caller sees it: problem+json (RFC 9457) with a `Proxy-Status` field (RFC 9209). */

import { type BrokerError, ERROR_KINDS } from './errors.ts';

export interface Problem {
  readonly status: number;
  /** Name, value, name, value. */
  readonly fields: readonly string[];
  readonly body: Buffer;
}

/** @param requestId also in the log line, so that the two can be brought together */
export function toProblem(error: BrokerError, requestId: string): Problem {
  const body = Buffer.from(
    `${JSON.stringify({
      type: `urn:token-broker:error:${error.code}`,
      title: ERROR_KINDS[error.code].title,
      status: error.status,
      detail: error.message,
      code: error.code,
      requestId,
    })}\n`,
  );
  const fields = [
    'content-type',
    'application/problem+json',
    'content-length',
    String(body.length),
    'cache-control',
    'no-store',
    'proxy-status',
    `token-broker; error=${error.proxyError}; details="${error.code}"`,
    'x-request-id',
    requestId,
    ...error.fields,
  ];
  if (error.retryAfterSeconds !== undefined) fields.push('retry-after', String(error.retryAfterSeconds));
  if (error.close) fields.push('connection', 'close');
  return { status: error.status, fields, body };
}
