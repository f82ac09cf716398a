/** Refusals before there is a request: what Node's parser and its timers report. */

import { randomUUID } from 'node:crypto';
import { STATUS_CODES } from 'node:http';
import type { Socket } from 'node:net';
import { BrokerError } from '../errors.ts';
import { toProblem } from '../problem.ts';

/** The refusal for an error code of the parser; `undefined` when the connection is simply gone. */
export function refusalOf(code: string | undefined): BrokerError | undefined {
  const options = { stage: 'listener', close: true } as const;
  if (code === 'HPE_HEADER_OVERFLOW')
    return new BrokerError('REQUEST_TOO_LARGE', 'the request head is too large', { ...options, status: 431 });
  if (code === 'ERR_HTTP_REQUEST_TIMEOUT') return new BrokerError('REQUEST_TIMEOUT', 'the request head took too long to arrive', options);
  if (code === 'HPE_INVALID_VERSION')
    return new BrokerError('REQUEST_INVALID', 'only HTTP/1.1 and HTTP/1.0 are spoken here', { ...options, status: 505 });
  if (code?.startsWith('HPE_')) return new BrokerError('REQUEST_INVALID', 'the request is not valid HTTP/1.1', options);
  return undefined;
}

export function connectRefusal(): BrokerError {
  const message = 'CONNECT is not supported: send requests to this address instead';
  return new BrokerError('REQUEST_INVALID', message, { stage: 'listener', status: 501, close: true });
}

/** Writes a whole answer onto a socket that no response object belongs to, and ends it. */
export function writeRefusal(socket: Socket, error: BrokerError): void {
  if (!socket.writable) return;
  const { status, fields, body } = toProblem(error, randomUUID());
  const lines = [`HTTP/1.1 ${status} ${STATUS_CODES[status]}`];
  for (let i = 0; i < fields.length; i += 2) lines.push(`${fields[i]}: ${fields[i + 1]}`);
  socket.end(Buffer.concat([Buffer.from(`${lines.join('\r\n')}\r\n\r\n`), body]), () => socket.destroy());
}
