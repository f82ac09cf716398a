/** Some thousands of the cases of `npm run fuzz`, whose seed a failure names. */

import { afterEach, expect, test } from '@jest/globals';
import { type Scene, startScene } from '../helpers/broker.ts';
import { scaled } from '../helpers/scale.ts';
import { OK } from './engine.ts';
import { fuzz } from './run.ts';

let scene: Scene;
afterEach(() => scene.close());

test(
  'H15 H16 mutated requests and answers, and what smugglers send: no crash, no hang, and nobody reads what we pass on otherwise',
  async () => {
    const local = { address: '127.0.0.1:0', authenticate: ['anonymous'], protocols: ['http/1.1', 'h2c'] };
    scene = await startScene({ origin: () => OK, config: { listeners: { local } } });
    const seed = Date.now() % 2 ** 31;
    const amounts = {
      requests: scaled(2_500, 70_000),
      answers: scaled(1_500, 30_000),
      sockets: scaled(300, 3_000),
      http2: scaled(600, 20_000),
      http2Answers: scaled(400, 20_000),
    };
    const { counts, findings } = await fuzz(seed, amounts, { address: () => scene.address(), origin: scene.origin }, () => {});
    expect({ seed, findings: findings.slice(0, 5) }).toEqual({ seed, findings: [] });
    const total = [...counts.values()].reduce((sum, times) => sum + times, 0);
    expect(total).toBeGreaterThan(Object.values(amounts).reduce((sum, amount) => sum + amount, 0));
    // Not all refused, or nothing would be proven.
    expect([...counts.keys()].filter((key) => /forwarded$|passed on$/.test(key)).length).toBeGreaterThan(3);
  },
  scaled(120_000, 900_000),
);
