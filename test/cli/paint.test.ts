/** Colours on a terminal, and who has them not. */

import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { statusCommand } from '../../src/cli/status.ts';
import { type Scene, startScene } from '../helpers/broker.ts';
import { Terminal } from './terminal.ts';

let scene: Scene;
beforeAll(async () => {
  scene = await startScene();
});
afterAll(() => scene.close());

/** What `status` shows on a terminal. */
async function shown(env: NodeJS.ProcessEnv): Promise<string> {
  const [stdout, exit] = [new Terminal(), Promise.withResolvers<number>()];
  const command = statusCommand({ stdin: new Terminal(), stdout, stderr: new Terminal(), env, exit: exit.resolve });
  await command.parseAsync(['--admin', scene.url('admin')], { from: 'user' });
  expect(await exit.promise).toBe(0);
  return String(stdout.read());
}

describe('what is printed on a terminal', () => {
  test.each<[NodeJS.ProcessEnv, boolean]>([
    [{}, true],
    [{ NO_COLOR: '' }, true],
    [{ NO_COLOR: '1' }, false],
    [{ NO_COLOR: 'false' }, false],
  ])('is coloured, unless NO_COLOR says something: %j', async (env, coloured) => {
    expect((await shown(env)).includes('\u001b[')).toBe(coloured);
  });
});
