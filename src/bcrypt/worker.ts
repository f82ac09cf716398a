/** Compares one password with one bcrypt hash, in a thread of its own: in plain JavaScript it takes a core for tens of milliseconds. */

import { parentPort, workerData } from 'node:worker_threads';
import { compareSync } from 'bcryptjs';

const { password, hash } = workerData as { readonly password: string; readonly hash: string };

parentPort?.postMessage(compareSync(password, hash));
