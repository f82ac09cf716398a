/** Whether the store works, as far as those who used it have told. */

import type { StoreStatus } from '../../admin/status.ts';
import type { Clock } from '../../clock.ts';
import type { StoreConfig } from '../../config/schema/store.ts';
import type { StoreObserver } from '../../token/store/shared-store.ts';
import type { SnapshotObserver } from '../../token/store/snapshot.ts';

export class StoreHealth {
  readonly #config: Pick<StoreConfig, 'redis' | 'snapshot'> | undefined;
  readonly #clock: Clock;
  #lostAt: number | undefined;
  #unreadable = 0;

  constructor(config: Pick<StoreConfig, 'redis' | 'snapshot'> | undefined, clock: Clock) {
    this.#config = config;
    this.#clock = clock;
  }

  /** Notes what `observer` is told. */
  observe(observer: StoreObserver & SnapshotObserver): StoreObserver & SnapshotObserver {
    return {
      lost: (reason) => {
        this.#lostAt = this.#clock.now();
        observer.lost(reason);
      },
      recovered: () => {
        this.#lostAt = undefined;
        observer.recovered();
      },
      unreadable: (reason, first) => {
        this.#unreadable += 1;
        observer.unreadable(reason, first);
      },
      notKept: (error) => observer.notKept(error),
    };
  }

  status(): StoreStatus {
    const lostAt = this.#lostAt;
    return {
      kind: this.#config?.redis === undefined ? 'memory' : 'redis',
      snapshot: this.#config?.snapshot !== undefined,
      state: lostAt === undefined ? 'working' : 'lost',
      lostAt: lostAt === undefined ? undefined : new Date(lostAt).toISOString(),
      unreadable: this.#unreadable,
    };
  }
}
