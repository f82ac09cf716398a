/** A case through the whole broker over real sockets: it must become there what it became in process. */

import { openRaw } from '../helpers/raw-client.ts';
import type { ScriptedServer } from '../helpers/scripted-server.ts';
import { runEngine } from './engine.ts';
import type { Case } from './inputs.ts';
import type { Verdict } from './judge.ts';
import type { Random } from './random.ts';

export interface Broker {
  address(): string;
  /** Behind the route `/api`; answers as the engine's does. */
  readonly origin: ScriptedServer;
}

/** A busy machine takes its time; what takes longer hangs. */
const PATIENCE_MS = 10_000;

export async function overSockets({ bytes }: Case, random: Random, { address, origin }: Broker): Promise<Verdict> {
  // The router knows only this prefix; elsewhere the engine in process forwards what the broker answers with 404.
  const pieces = random.split(bytes);
  // No route of the broker's sets a host, so it answers whole URLs with 404, and the engine forwards them.
  if (/ https?:\/\//i.test(bytes.toString('latin1'))) return { became: 'whole URL', findings: [] };
  const expected = await runEngine(pieces);
  const wanted = expected.forwarded.filter(({ head }) => /^\S+ \/api[/? ]/.test(head));
  // A 404 ends the connection of who waits for "100 Continue", as it must, and what follows goes unanswered.
  const isElsewhere = wanted.length < expected.forwarded.length;
  if (isElsewhere && /expect/i.test(bytes.toString('latin1'))) return { became: 'no route', findings: [] };
  const before = origin.requests.length;
  const connection = await openRaw(address());
  for (const piece of pieces) connection.write(piece);
  const answered = (text: string) => [...text.matchAll(/HTTP\/1\.1 (?!1\d\d)\d{3} /g)].length;
  const total = answered(expected.answered.toString('latin1'));
  const findings: string[] = [];
  const hung = new Promise<void>((_resolve, reject) => setTimeout(() => reject(new Error('it hangs')), PATIENCE_MS).unref());
  try {
    await Promise.race([
      Promise.all([connection.waitFor((text) => answered(text) >= total), expected.closed ? connection.closed : undefined]),
      hung,
    ]);
    await Promise.race([origin.until(() => origin.requests.length >= before + wanted.length), hung]);
  } catch (error) {
    findings.push(`over sockets: ${(error as Error).message}`);
  }
  connection.reset();
  await connection.closed;
  const got = origin.requests.slice(before).map(({ method, body }) => `${method} ${body.toString('latin1')}`);
  const meant = wanted.map(({ head, body }) => `${head.split(' ', 1)[0]} ${body.toString('latin1')}`);
  if (JSON.stringify(got) !== JSON.stringify(meant))
    findings.push(`over sockets the upstream got ${JSON.stringify(got)}, in process ${JSON.stringify(meant)}`);
  return { became: total === 0 ? 'waits for more' : wanted.length > 0 ? 'forwarded' : 'refused', findings };
}
