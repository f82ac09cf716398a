/** The bundle, built from the sources as they are. */

import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));

/** Builds `dist/` as `npm run build` does. Rejects with what the build said. */
export async function buildBundle(): Promise<void> {
  await promisify(execFile)(process.execPath, ['node_modules/rolldown/bin/cli.mjs', '--config', 'rolldown.config.ts'], { cwd: ROOT });
}
