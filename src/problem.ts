/** A failure as the caller sees it: problem+json (RFC 9457), or another body, with a `Proxy-Status` field (RFC 9209). */

import { type BrokerError, ERROR_KINDS } from './errors.ts';

export interface Problem {
  readonly status: number;
  /** Name, value, name, value. */
  readonly fields: readonly string[];
  readonly body: Buffer;
}

/** @param requestId also in the log line, so that the two can be brought together */
export type ToProblem = (error: BrokerError, requestId: string) => Problem;

export const toProblem: ToProblem = (error, requestId) =>
  problemOf(error, requestId, 'application/problem+json', {
    type: `urn:token-broker:error:${error.code}`,
    title: ERROR_KINDS[error.code].title,
    status: error.status,
    detail: error.message,
    code: error.code,
    requestId,
  });

/** @param content what the body says, as JSON */
export function problemOf(error: BrokerError, requestId: string, contentType: string, content: object): Problem {
  const body = Buffer.from(`${JSON.stringify(content)}\n`);
  const fields = [
    'content-type',
    contentType,
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
