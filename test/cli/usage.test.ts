/** What whoever types a command wrongly is told: what is wrong, and where to look. */

import { expect, test } from '@jest/globals';
import { run } from './run.ts';

test.each([
  [['strat'], "error: unknown command 'strat'", 'Did you mean start?', 'token-broker --help'],
  [['renew'], "error: missing required argument 'name'", 'token-broker renew --help'],
  [['check', 'my.config.json'], 'error: too many arguments', 'token-broker check --help'],
  [['start', '--confg', 'x'], "error: unknown option '--confg'", 'Did you mean --config?', 'token-broker start --help'],
  [['check', '--format', 'xml'], 'Allowed choices are text, json', 'token-broker check --help'],
])('%j: 2', async (args, ...says) => {
  const { code, stdout, stderr } = await run(args);
  expect([code, stdout]).toEqual([2, '']);
  for (const text of says) expect(stderr).toContain(text);
});

test('every command has an example in its help', async () => {
  const { stdout } = await run(['--help']);
  const commands = [...stdout.matchAll(/^ {2}([a-z-]+) (?:\[options\]|<)/gm)].map(([, name]) => name as string);
  expect(commands).toEqual(expect.arrayContaining(['init', 'start', 'dev', 'status', 'renew', 'purge', 'reload', 'quit']));
  for (const command of commands) expect((await run([command, '--help'])).stdout).toMatch(/\nExamples?:\n {2}/);
});
