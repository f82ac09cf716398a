/** Before anything is measured: does a proxy return the right bodies, and send the token and nothing else as `Authorization`? */

import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { type Answer, ask } from '../load/ask.ts';
import { startOrigin } from '../load/origin.ts';
import { answerOf, bodyOf, type Workload } from '../load/workload.ts';
import type { Setting } from '../setting.ts';
import { freePort, type StartedTarget, startTarget, type Target, type Variant } from '../targets/target.ts';

const WORKLOADS: readonly Workload[] = [
  { method: 'GET', size: '1 KiB' },
  { method: 'GET', size: '1 MiB' },
  { method: 'POST', size: '1 KiB' },
  { method: 'POST', size: '1 MiB' },
];

/** Starts the proxy before an origin that records, and returns what is wrong with it; `undefined` when all is right. */
export async function findFault(target: Target, variant: Variant, setting: Setting): Promise<string | undefined> {
  const seen: { head: string; body: Buffer }[] = [];
  const record = (head: string, body: Buffer) => void seen.push({ head, body });
  const origin = await startOrigin({ record, ...(variant.scheme === 'https' && { tls: setting.identity }) });
  const folder = join(setting.folder, `${folderName(target)}-${variant.scheme}-checked`);
  await mkdir(folder, { recursive: true });
  let started: StartedTarget | undefined;
  try {
    started = await startTarget(target, { ...variant, setting, folder, port: await freePort(), originPort: origin.port });
    seen.length = 0;
    for (const workload of WORKLOADS) {
      const answer = await ask(started.port, workload);
      const problem = answerProblem(workload, answer) ?? requestProblem(workload, setting.token, seen.splice(0));
      if (problem !== undefined) return `${workload.method} ${workload.size}: ${problem}`;
    }
    return undefined;
  } catch (error) {
    return `${(error as Error).message} ${started?.output() ?? ''}`;
  } finally {
    await started?.stop();
    origin.close();
  }
}

export function folderName({ name }: Target): string {
  return name.replaceAll(/\W/g, '-');
}

function answerProblem(workload: Workload, answer: Answer): string | undefined {
  if (answer.status !== 200) return `answered ${answer.status}`;
  return answer.body.equals(answerOf(workload)) ? undefined : 'returned another body than the origin';
}

function requestProblem(workload: Workload, token: string, seen: readonly { head: string; body: Buffer }[]): string | undefined {
  const [first, second] = seen;
  if (first === undefined || second !== undefined) return `sent ${seen.length} requests instead of one`;
  const authorization = [...first.head.matchAll(/^authorization: *(.*)$/gim)].map(([, value]) => value?.trimEnd());
  if (authorization.length !== 1 || authorization[0] !== `Bearer ${token}`) return 'did not send exactly one Authorization, the token';
  if (first.head.includes('Basic ')) return 'let the credentials of the caller through';
  const sent = /\r\ntransfer-encoding: *chunked/i.test(first.head) ? withoutChunks(first.body) : first.body;
  const expected = workload.method === 'POST' ? bodyOf(workload.size) : Buffer.alloc(0);
  return sent.equals(expected) ? undefined : 'sent another body than it was given';
}

function withoutChunks(body: Buffer): Buffer {
  const parts: Buffer[] = [];
  for (let at = 0; at < body.length; ) {
    const lineEnd = body.indexOf('\r\n', at);
    const size = Number.parseInt(body.toString('latin1', at, lineEnd), 16);
    parts.push(body.subarray(lineEnd + 2, lineEnd + 2 + size));
    at = lineEnd + 2 + size + 2;
  }
  return Buffer.concat(parts);
}
