/** Asks the admin address of a running broker, by TCP or on its Unix socket. */

import { type IncomingMessage, request } from 'node:http';
import { text } from 'node:stream/consumers';

const TIMEOUT_MS = 30_000;

export interface AdminAnswer {
  readonly status: number;
  readonly contentType: string;
  readonly text: string;
}

/** @param admin `http://127.0.0.1:9099` or `unix:/run/token-broker/admin.sock`. Rejects with what the platform throws. */
export function post(admin: string, path: string): Promise<AdminAnswer> {
  const where = admin.startsWith('unix:') ? { socketPath: admin.slice('unix:'.length), host: 'localhost' } : placeOf(admin);
  const options = { ...where, method: 'POST', path, headers: { 'token-broker-admin': '1' }, signal: AbortSignal.timeout(TIMEOUT_MS) };
  return new Promise((resolve, reject) => {
    request(options)
      .on('response', (answer) => void read(answer).then(resolve, reject))
      .on('error', reject)
      .end();
  });
}

async function read(answer: IncomingMessage): Promise<AdminAnswer> {
  return { status: answer.statusCode ?? 0, contentType: answer.headers['content-type'] ?? '', text: await text(answer) };
}

function placeOf(admin: string): { host: string; port: string } {
  const { hostname, port } = new URL(admin);
  return { host: hostname.replace(/^\[|\]$/g, ''), port: port === '' ? '80' : port };
}
