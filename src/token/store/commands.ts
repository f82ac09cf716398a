/** The few commands that a store needs, each under its deadline: reads through keyv, everything fenced as one script. */

import { hash } from 'node:crypto';
import type { Clock } from '../../clock.ts';
import type { RedisConnection } from './connection.ts';
import { GAVE_UP, KEEP, REMOVE, TAKE, WRITE } from './scripts.ts';

/** What was seen under a name: '' for nothing, a digest of a text, `other` for what is no text. */
export type Mark = string;

export interface Entry {
  readonly text: string;
  readonly mark: Mark;
}

/** Each rejects when Redis does not do it in time, with an error that has a short code. */
export interface StoreCommands {
  read(name: string): Promise<Entry>;
  /**
   * `held`; `changed` when another entry stands there than the one with `mark`; or who else has the lease.
   *
   * @param outlived a holder whose lease is taken over
   */
  take(name: string, mark: Mark, holder: string, ms: number, outlived: string): Promise<string>;
  /** Only the holder's lease is kept for `ms` more, or changed to `content`. */
  keep(name: string, holder: string, content: string, ms: number): Promise<void>;
  /** Writes where nothing stands, or still what was seen; ends the holder's lease. */
  write(name: string, mark: Mark, text: string, ttlMs: number, holder: string): Promise<void>;
  remove(name: string, mark: Mark): Promise<void>;
  /** Writes something of no meaning where the entry would stand: whether Redis would take it. */
  probe(name: string): Promise<void>;
  close(): Promise<void>;
}

const NOTHING: Entry = { text: '', mark: '' };
const PROBE_MS = 1_000;
const TOO_SLOW = 'etimedout';
/** Name, TLS and login take several round trips; a fleet that gives up on them at its start makes a grant for each replica. */
const FIRST_CONNECTION_MS = 1_000;

export class RedisCommands implements StoreCommands {
  readonly #connection: RedisConnection;
  readonly #clock: Clock;
  readonly #timeoutMs: number;

  constructor(connection: RedisConnection, clock: Clock, timeoutMs: number) {
    this.#connection = connection;
    this.#clock = clock;
    this.#timeoutMs = timeoutMs;
  }

  async read(name: string): Promise<Entry> {
    try {
      const text = await this.#inTime(async () => (await this.#connection.whenReady()).keyv.get<string>(name));
      return text === undefined || text === null ? NOTHING : { text, mark: hash('sha1', text) };
    } catch (error) {
      // Somebody else's entry under our name, of another type or too long: Redis itself is fine.
      if (reasonOf(error) === 'wrongtype') return { text: '', mark: 'other' };
      throw error;
    }
  }

  async take(name: string, mark: Mark, holder: string, ms: number, outlived: string): Promise<string> {
    return String((await this.#runOnBoth(TAKE, name, [mark, holder, String(ms), outlived])) ?? GAVE_UP);
  }

  async keep(name: string, holder: string, content: string, ms: number): Promise<void> {
    await this.#run(KEEP, [leaseOf(name)], [holder, content, String(ms)]);
  }

  async write(name: string, mark: Mark, text: string, ttlMs: number, holder: string): Promise<void> {
    await this.#runOnBoth(WRITE, name, [mark, text, String(ttlMs), holder]);
  }

  async remove(name: string, mark: Mark): Promise<void> {
    await this.#run(REMOVE, [name], [mark]);
  }

  async probe(name: string): Promise<void> {
    try {
      await this.#inTime(async () => (await this.#connection.whenReady()).client.set(`${name}:probe`, '1', { PX: PROBE_MS }));
    } catch (error) {
      // A connection on which nonsense was said stays open, and answers never match their commands again.
      if (reasonOf(error) === TOO_SLOW) this.#connection.renew();
      throw error;
    }
  }

  close(): Promise<void> {
    return this.#connection.close();
  }

  /** On an entry and its lease; `undefined` where a cluster that moves their slot has moved one of them: others can be had still. */
  async #runOnBoth(script: string, name: string, args: string[]): Promise<unknown> {
    try {
      return await this.#run(script, [name, leaseOf(name)], args);
    } catch (error) {
      if (reasonOf(error) === 'tryagain') return undefined;
      throw error;
    }
  }

  #run(script: string, keys: string[], args: string[]): Promise<unknown> {
    return this.#inTime(async () => (await this.#connection.whenReady()).client.eval(script, { keys, arguments: args }));
  }

  async #inTime<T>(command: () => Promise<T>): Promise<T> {
    const late = Promise.withResolvers<never>();
    const giveUp = () => late.reject(Object.assign(new Error('the store is too slow'), { code: TOO_SLOW.toUpperCase() }));
    const withinMs = this.#connection.begun ? this.#timeoutMs : Math.max(this.#timeoutMs, FIRST_CONNECTION_MS);
    const endsAt = this.#clock.monotonic() + withinMs;
    let cancel = this.#clock.after(withinMs, () => {
      // So long it was we who were held up: the answer may be there, unread, or the command not even sent.
      const oursMs = Math.min(this.#clock.monotonic() - endsAt, withinMs);
      cancel = this.#clock.after(oursMs, () => setImmediate(giveUp));
    });
    try {
      return await Promise.race([command(), late.promise]);
    } finally {
      cancel();
    }
  }
}

function leaseOf(name: string): string {
  return `${name}:lease`;
}

/** A short code for the log; texts of Redis errors can hold keys. */
export function reasonOf(error: unknown): string {
  const { code, message } = error as { code?: unknown; message?: unknown };
  if (typeof code === 'string') return code.toLowerCase();
  const word = typeof message === 'string' ? /^[A-Z]{2,20}\b/.exec(message)?.[0] : undefined;
  return word?.toLowerCase() ?? 'unavailable';
}
