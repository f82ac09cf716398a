/** The store that replicas share: sealed entries, one turn at a time, and its trouble never the caller's. */

import type { Clock } from '../../clock.ts';
import type { StoreConfig } from '../../config/schema/store.ts';
import { isAskedForAfter } from '../stored.ts';
import { StoreBreaker } from './breaker.ts';
import type { Mark, StoreCommands } from './commands.ts';
import { Lease } from './lease.ts';
import { type Names, namesOf } from './names.ts';
import { aesSeal, plainSeal, type Seal, type Unreadable } from './seal.ts';
import type { StoredToken, TokenStore, Turn } from './store.ts';

export interface StoreObserver {
  /** The store stopped working: `reason` is a short code. Told once for each change of state. */
  lost(reason: string): void;
  recovered(): void;
  /** An entry that is not ours to read; `first`: this one was not told of before. */
  unreadable(reason: Unreadable, first: boolean): void;
}

export interface SharedStoreParts {
  readonly config: Pick<StoreConfig, 'prefix' | 'encryption'>;
  readonly observer: StoreObserver;
  readonly clock: Clock;
  /** @param onConnected to be called for each new connection */
  readonly connect: (onConnected: () => void) => StoreCommands;
}

interface Seen {
  readonly mark: Mark;
  readonly token?: StoredToken;
  /** Sealed with a key we do not have: somebody else's, and left to them. */
  readonly foreign?: boolean;
}

interface Shared {
  readonly token: StoredToken;
  readonly endsAt: number;
}

const NOTHING_THERE = '';
/** Of what is remembered here; more than any config has tokens. */
const MOST_REMEMBERED = 10_000;
/** At what is another each time, and never wanted. */
const MOST_LOOKS = 2;

export class SharedStore implements TokenStore {
  readonly #parts: SharedStoreParts;
  readonly #seal: Seal;
  readonly #commands: StoreCommands;
  readonly #breaker: StoreBreaker;
  /** What this replica has obtained, by identity: given again to a store that has lost it, or could not take it. */
  readonly #shared = new Map<string, Shared>();
  /** When what could not be taken out was to be, by identity; monotonic. */
  readonly #leftThere = new Map<string, number>();
  /** Whose lease was waited for and not had: nobody who holds it for ever may cost as much each time. */
  readonly #inVain = new Map<string, true>();
  /** The last unreadable thing told of, by name. */
  readonly #told = new Map<string, Mark>();

  constructor(parts: SharedStoreParts) {
    const { config, observer, clock, connect } = parts;
    this.#parts = parts;
    this.#seal = config.encryption === undefined ? plainSeal : aesSeal(config.encryption.keys);
    this.#breaker = new StoreBreaker({
      clock,
      probe: (name) => this.#commands.probe(name),
      onLost: (reason) => observer.lost(reason),
      onRecovered: () => {
        observer.recovered();
        void this.#removeAgain().then(() => this.#shareAgain());
      },
    });
    this.#commands = connect(() => {
      // A server that is there again may be empty.
      if (this.#breaker.lost) this.#breaker.hurry();
      else void this.#shareAgain();
    });
  }

  async obtain(identity: string, wanted: (token: StoredToken) => boolean): Promise<StoredToken | Turn> {
    const startedAt = this.#parts.clock.monotonic();
    const names = this.#names(identity);
    for (let looks = 1; ; looks += 1) {
      const seen = await this.#look(names, wanted);
      if (seen?.token !== undefined) {
        // Another replica's is the newer one: giving it again is up to that.
        this.#shared.delete(identity);
        this.#inVain.delete(identity);
        return seen.token;
      }
      if (seen === undefined || seen.foreign) return this.#turn(identity, NOTHING_THERE);
      // A server that lags behind, or somebody who writes there without end.
      if (looks > MOST_LOOKS) return this.#turn(identity, seen.mark);
      const patience = { startedAt, short: this.#inVain.has(identity) };
      const lease = await Lease.wait({ ...this.#parts, commands: this.#commands, breaker: this.#breaker }, names[0], seen.mark, patience);
      if (lease === 'changed') continue;
      if (lease === 'in_vain') remember(this.#inVain, identity, true);
      if (typeof lease === 'object') this.#inVain.delete(identity);
      return this.#turn(identity, seen.mark, typeof lease === 'object' ? lease : undefined);
    }
  }

  async remove(identity: string): Promise<void> {
    this.#shared.delete(identity);
    await this.#takeOut(identity);
  }

  async close(): Promise<void> {
    this.#breaker.close();
    await this.#commands.close();
  }

  /** A wanted token under any of the names, or what stands under the first; `undefined` when the store cannot tell. */
  async #look(names: Names, wanted: (token: StoredToken) => boolean): Promise<Seen | undefined> {
    let first: Seen | undefined;
    for (const name of names) {
      const entry = await this.#breaker.run(name, () => this.#commands.read(name));
      if (entry === undefined) return undefined;
      const opened = entry.mark === NOTHING_THERE ? undefined : this.#open(name, entry);
      if (typeof opened === 'object' && wanted(opened)) return { mark: entry.mark, token: opened };
      first ??= { mark: entry.mark, foreign: opened === 'unknown_key' };
    }
    return first;
  }

  #open(name: string, { text, mark }: { text: string; mark: Mark }): StoredToken | Unreadable {
    const opened = this.#seal.open(name, text);
    if (typeof opened === 'string') {
      this.#parts.observer.unreadable(opened, this.#told.get(name) !== mark);
      remember(this.#told, name, mark);
    }
    return opened;
  }

  /** @param mark what may be overwritten */
  #turn(identity: string, mark: Mark, lease?: Lease): Turn {
    return {
      share: (token, ttlMs) => {
        // Redis takes whole milliseconds only, and keeps an entry of none for ever.
        if (ttlMs < 1) return lease?.giveUp();
        remember(this.#shared, identity, { token, endsAt: this.#parts.clock.monotonic() + ttlMs });
        void this.#write(identity, mark, lease?.end());
      },
      giveUp: () => lease?.giveUp(),
    };
  }

  async #write(identity: string, mark: Mark, holder = ''): Promise<void> {
    const shared = this.#shared.get(identity);
    // Purged meanwhile, or another replica's is newer.
    if (shared === undefined) return;
    const { token, endsAt } = shared;
    const ttlMs = Math.floor(endsAt - this.#parts.clock.monotonic());
    if (ttlMs < 1) return void this.#shared.delete(identity);
    const [name] = this.#names(identity);
    await this.#breaker.run(name, () => this.#commands.write(name, mark, this.#seal.seal(name, token), ttlMs, holder));
  }

  /** @param until monotonic: what was asked for later stays */
  async #takeOut(identity: string, until = Number.POSITIVE_INFINITY): Promise<void> {
    const { clock } = this.#parts;
    for (const name of this.#names(identity)) {
      const done = await this.#breaker.run(name, async () => {
        const entry = await this.#commands.read(name);
        const opened = entry.mark === NOTHING_THERE ? 'unknown_key' : this.#open(name, entry);
        const stays = opened === 'unknown_key' || (typeof opened === 'object' && isAskedForAfter(until, opened, clock));
        if (!stays) await this.#commands.remove(name, entry.mark);
        return true;
      });
      if (done === undefined) return remember(this.#leftThere, identity, Math.min(until, clock.monotonic()));
    }
  }

  async #removeAgain(): Promise<void> {
    const leftThere = [...this.#leftThere];
    this.#leftThere.clear();
    for (const [identity, at] of leftThere) await this.#takeOut(identity, at);
  }

  /** What was lost there, or could not be written; what another replica obtained later stays. */
  async #shareAgain(): Promise<void> {
    for (const [identity, { token }] of this.#shared) {
      const [name] = this.#names(identity);
      const entry = await this.#breaker.run(name, () => this.#commands.read(name));
      if (entry === undefined) return;
      const there = this.#seal.open(name, entry.text);
      const isOlder = typeof there === 'object' ? there.requestedAt < token.requestedAt : there === 'damaged';
      if (isOlder) await this.#write(identity, entry.mark);
    }
  }

  #names(identity: string): Names {
    return namesOf(identity, this.#parts.config.prefix, this.#parts.config.encryption?.keys);
  }
}

/** The one that was set the longest ago goes. */
function remember<Value>(map: Map<string, Value>, key: string, value: Value): void {
  map.delete(key);
  map.set(key, value);
  if (map.size > MOST_REMEMBERED) map.delete(map.keys().next().value as string);
}
