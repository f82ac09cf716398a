/** `npm run check`: all that CI needs, one step after the other, none left out because an earlier one failed. */

import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { projectRoot } from './find-tool.mjs';

const STEPS = ['format', 'lint', 'typecheck', 'docs:check', 'knip', 'build', 'test'];

const folder = mkdtempSync(join(tmpdir(), 'token-broker-check-'));
const resultFile = join(folder, 'jest.json');
const failed = STEPS.filter((step) => !passes(step));
const counts = countTests();
rmSync(folder, { recursive: true });

process.stdout.write(`\n${STEPS.map((step) => `${failed.includes(step) ? 'FAILED' : 'ok    '} npm run ${step}`).join('\n')}\n`);
process.stdout.write(`${counts.passed} passed, ${counts.failed} failed, ${counts.skipped} skipped\n`);
process.exitCode = failed.length === 0 && counts.failed === 0 && counts.passed > 0 ? 0 : 1;

/** @param {string} step */
function passes(step) {
  process.stdout.write(`\n== npm run ${step}\n`);
  const more = step === 'test' ? ['--', '--json', `--outputFile=${resultFile}`] : [];
  return spawnSync('npm', ['run', '--silent', step, ...more], { cwd: projectRoot, stdio: ['ignore', 'inherit', 'inherit'] }).status === 0;
}

/** What Jest itself counted. A file that could not even be loaded, or a run without a result, is a failure too. */
function countTests() {
  try {
    const result = JSON.parse(readFileSync(resultFile, 'utf8'));
    return {
      passed: result.numPassedTests,
      failed: result.numFailedTests + result.numRuntimeErrorTestSuites,
      skipped: result.numPendingTests + result.numTodoTests,
    };
  } catch {
    return { passed: 0, failed: 1, skipped: 0 };
  }
}
