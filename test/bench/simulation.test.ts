/** The simulated fleet of the benchmark: the real token stage, a simulated Redis, simulated time. */

import { expect, test } from '@jest/globals';
import { simulate } from '../../bench/fleet/simulation.ts';

test.each([1, 30])(
  '%d simulated replicas make one grant together when all are cold, and about one for each lifetime then',
  async (replicas) => {
    const { coldGrants, grantsPerLifetime, waited } = await simulate(replicas, 2);

    expect(coldGrants).toBe(1);
    expect(grantsPerLifetime).toBeLessThanOrEqual(1.5);
    expect(waited).toBe(0);
  },
);
