/** Asks the admin address of a running broker, by TCP or on its Unix socket. */

import { type IncomingMessage, request } from 'node:http';
import { text } from 'node:stream/consumers';

const TIMEOUT_MS = 30_000;

export interface AdminAnswer {
  readonly status: number;
  readonly contentType: string;
  readonly text: string;
}

export type AdminPlace = { readonly host: string; readonly port: number } | { readonly host: string; readonly socketPath: string };

export interface AdminQuestion {
  readonly method: 'GET' | 'POST';
  readonly path: string;
}

/** Rejects with what the platform throws. */
export function ask(where: AdminPlace, question: AdminQuestion): Promise<AdminAnswer> {
  const options = { ...where, ...question, headers: { 'token-broker-admin': '1' }, signal: AbortSignal.timeout(TIMEOUT_MS) };
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
