/** Asks the admin address of a running broker, by TCP or on its Unix socket. */

import { type IncomingMessage, request } from 'node:http';

const TIMEOUT_MS = 30_000;
/** A token takes some 500 bytes of the status, a route 170: enough for 20,000 of each. */
const MOST_MIB = 16;

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

/** Rejects with what the platform throws, or where an answer has no end. */
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
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of answer as AsyncIterable<Buffer>) {
    bytes += chunk.length;
    // Leaving the loop ends the connection.
    if (bytes > MOST_MIB * 1024 ** 2) throw new Error(`what answers there says more than ${MOST_MIB} MiB`);
    chunks.push(chunk);
  }
  return { status: answer.statusCode ?? 0, contentType: answer.headers['content-type'] ?? '', text: Buffer.concat(chunks).toString() };
}
