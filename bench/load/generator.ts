/** Both ends of a load generator's process: it warms up, says so, and begins when told to. */

import { fork } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { type Processes, pinned } from '../processes.ts';

type Message = { readonly ready: true } | { readonly result: unknown } | { readonly failed: string };

export interface Generator<Result> {
  run(): Promise<Result>;
}

/** A proxy that does not answer must not hold up the rest. */
const LIMIT_MS = 120_000;

/** In the process itself: calls `prepare` with the plan, then, when told to, what that returned; whatever fails is told and ends it. */
export function generate<Plan>(prepare: (plan: Plan, fail: (reason: string) => void) => Promise<() => Promise<unknown>>): void {
  const tell = (message: Message) => process.send?.(message);
  const fail = (reason: string) => {
    // Each connection tells its own trouble; the first is enough.
    if (!process.connected) return;
    tell({ failed: reason });
    process.disconnect();
  };
  process.once('disconnect', () => process.exit());
  process.once('message', (plan: Plan) => {
    void prepare(plan, fail).then((run) => {
      process.once('message', () => void run().then((result) => tell({ result })));
      tell({ ready: true });
    });
  });
}

/** Beside it: starts the script and resolves when it is warm. Rejects, as does `run`, with what failed there. */
export async function startGenerator<Result>(processes: Processes, script: string, plan: object): Promise<Generator<Result>> {
  const path = fileURLToPath(new URL(script, import.meta.url));
  const [execPath, execArgv] = pinned('load', [process.execPath]);
  const child = fork(path, { execPath, execArgv });
  processes.adopt(child);
  const limit = setTimeout(() => child.kill('SIGKILL'), LIMIT_MS);
  child.once('exit', () => clearTimeout(limit));
  const next = () =>
    new Promise<Message>((resolve, reject) => {
      child.once('message', (message) => resolve(message as Message));
      child.once('exit', (code) =>
        reject(new Error(code === null ? 'no end within two minutes' : `the load generator ended with ${code}`)),
      );
    });
  const expect = async (message: Promise<Message>) => {
    const said = await message;
    if ('failed' in said) throw new Error(said.failed);
    return said;
  };
  const ready = next();
  child.send(plan);
  await expect(ready);
  return {
    async run() {
      const done = next();
      child.send('go');
      const said = await expect(done);
      await processes.stop(child);
      return (said as { result: Result }).result;
    },
  };
}
