/** bcrypt hashes, as `htpasswd -B` and most languages make them: read, and compared with outside the event loop. */

import { Worker } from 'node:worker_threads';
import { WORKER_URL } from './worker-url.ts';

/** A hash whose cost is within bounds. */
export interface BcryptHash {
  readonly algorithm: 'bcrypt';
  readonly text: string;
}

/** 2 s of one core with the plain JavaScript of bcryptjs, measured; 10 takes 60 ms. */
export const MAX_BCRYPT_COST = 15;
/** Of bcrypt itself. */
export const MIN_BCRYPT_COST = 4;

/** All of a password that bcrypt looks at. */
const MAX_PASSWORD_BYTES = 72;

/** Reads `$2a$`, `$2b$` and `$2y$`, which mean the same to all but the oldest programs; `undefined` for anything else. */
export function parseBcrypt(text: string): BcryptHash | undefined {
  const cost = Number(/^\$2[aby]\$(\d\d)\$[./A-Za-z0-9]{53}$/.exec(text)?.[1]);
  return cost >= MIN_BCRYPT_COST && cost <= MAX_BCRYPT_COST ? { algorithm: 'bcrypt', text } : undefined;
}

/** A longer password is never the right one, since its end would count for nothing; it takes as long as any other. */
export async function verifyBcrypt({ text }: BcryptHash, password: string): Promise<boolean> {
  const matches = await compareInThread(password, text);
  return matches && Buffer.byteLength(password) <= MAX_PASSWORD_BYTES;
}

/** A thread for each: it starts in 50 ms, leaves nothing behind, and outcomes are remembered by whoever asks. */
function compareInThread(password: string, hash: string): Promise<boolean> {
  return new Promise((resolve, reject) => {
    const worker = new Worker(WORKER_URL, { workerData: { password, hash }, execArgv: [], env: {} });
    worker.on('message', (matches: boolean) => resolve(matches)).on('error', reject);
    worker.on('exit', () => reject(new Error('the thread that compares passwords ended early')));
    worker.unref();
  });
}
