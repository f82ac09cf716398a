/** One request to a proxy on a connection of its own, and the answer whole. */

import { request } from 'node:http';
import { bodyOf, CALLER, targetOf, type Workload } from './workload.ts';

export interface Answer {
  readonly status: number | undefined;
  readonly body: Buffer;
}

export function ask(port: number, workload: Workload): Promise<Answer> {
  const sent = workload.method === 'POST' ? bodyOf(workload.size) : undefined;
  const auth = `${CALLER.name}:${CALLER.password}`;
  const headers = sent === undefined ? {} : { 'content-length': sent.length, 'content-type': 'application/octet-stream' };
  return new Promise((resolve, reject) => {
    const asked = request({ host: '127.0.0.1', port, path: targetOf(workload), method: workload.method, auth, headers, agent: false });
    asked.setTimeout(10_000, () => asked.destroy(new Error('no answer within 10 seconds')));
    asked.on('error', reject).on('response', (response) => {
      const parts: Buffer[] = [];
      response.on('data', (part: Buffer) => parts.push(part)).on('error', reject);
      response.on('end', () => resolve({ status: response.statusCode, body: Buffer.concat(parts) }));
    });
    asked.end(sent);
  });
}
