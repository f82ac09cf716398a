/** An open loop of requests: as many a second as asked for, however long the answers take. */

import { Agent } from 'node:http';
import { request } from './http-client.ts';

export interface Load {
  readonly count: number;
  readonly seconds: number;
  /** How often each status came; `none` where no answer did. */
  readonly statuses: Readonly<Record<string, number>>;
  /** Milliseconds. */
  readonly p99: number;
}

export async function measureLoad(url: string, perSecond: number, seconds: number): Promise<Load> {
  const agent = new Agent({ keepAlive: true });
  const statuses: Record<string, number> = {};
  const took: number[] = [];
  const startedAt = performance.now();
  const ask = async () => {
    const askedAt = performance.now();
    const status = await request(url, { agent }).then(
      (answer) => String(answer.status),
      () => 'none',
    );
    took.push(performance.now() - askedAt);
    statuses[status] = (statuses[status] ?? 0) + 1;
  };
  const asked: Promise<void>[] = [];
  while (asked.length < perSecond * seconds) {
    const due = Math.min(perSecond * seconds, ((performance.now() - startedAt) / 1000) * perSecond);
    while (asked.length < due) asked.push(ask());
    await new Promise((resolve) => setTimeout(resolve, 2));
  }
  await Promise.all(asked);
  agent.destroy();
  took.sort((a, b) => a - b);
  return { count: took.length, seconds: (performance.now() - startedAt) / 1000, statuses, p99: took[Math.floor(took.length * 0.99)] ?? 0 };
}
