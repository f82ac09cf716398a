/** Bound addresses, which outlive a config: who takes what comes in there changes in one step, and nobody who connects meets a closed door. */

import { createServer, type Server, type Socket } from 'node:net';
import type { Address } from '../config/schema/values.ts';
import { BrokerError } from '../errors.ts';
import { type AccessChange, bind, changeAccess, isSameAccess, type SocketAccess } from './bind.ts';

/** Takes connections, each paused until it is read. */
export interface Taker {
  /** More are closed without an answer. */
  readonly maxConnections?: number;
  accept(socket: Socket): void;
  /** One was closed for that. */
  refused?(): void;
}

export interface Wanted extends SocketAccess {
  /** Of the listener. */
  readonly name: string;
  readonly address: Address;
  readonly taker: Taker;
}

interface Entrance {
  readonly server: Server;
  /** As text: `127.0.0.1:8080`, `[::1]:8080`, `unix:/path`. */
  readonly bound: string;
  access: SocketAccess;
  taker: Taker;
  /** Who comes before it leads anywhere; `undefined` from then on. */
  early: Socket[] | undefined;
  /** How many connections have come in. */
  came: number;
}

/** The backlog of Node; one connection is taken in each turn of the event loop. */
const LONGEST_LINE = 512;

export class Entrances {
  readonly #open = new Map<string, Entrance>();

  /**
   * Resolves to the bound addresses by name, once all of them lead to their takers, in one step: what a taker needs of the one before it is not there
   * earlier. Rejects with a `BrokerError` when one cannot be bound; then nothing has changed.
   */
  async open(wanted: readonly Wanted[]): Promise<Map<string, string>> {
    const fresh: Taker[] = [];
    const changes: AccessChange[] = [];
    try {
      for (const each of wanted) {
        if (this.#open.has(keyOf(each))) continue;
        this.#open.set(keyOf(each), await bindEntrance(each));
        fresh.push(each.taker);
      }
      for (const each of wanted) changes.push(...this.#changeAccess(each));
      // Who stands in line has come by the old access, and is not for the new taker.
      if (changes.length > 0) await this.#lineTaken();
      for (const { open } of changes) open();
    } catch (error) {
      for (const { undo } of changes) undo();
      for (const taker of fresh) this.close(taker);
      throw error;
    }
    return new Map(wanted.map((each) => [each.name, this.#lead(each)]));
  }

  /** Where it still leads to `taker`; what has come in is not touched. */
  close(taker: Taker): void {
    for (const [key, entrance] of this.#open) {
      if (entrance.taker !== taker) continue;
      this.#open.delete(key);
      entrance.server.close();
      for (const socket of entrance.early ?? []) socket.destroy();
    }
  }

  /** Nobody else comes in at a socket while its access changes. */
  #changeAccess(wanted: Wanted): AccessChange[] {
    const { address, name } = wanted;
    const { access } = this.#open.get(keyOf(wanted)) as Entrance;
    if (address.kind !== 'unix' || isSameAccess(access, wanted)) return [];
    try {
      return [changeAccess(address.path, access, wanted)];
    } catch (cause) {
      throw bindError(name, address, cause);
    }
  }

  async #lineTaken(): Promise<void> {
    const came = () => [...this.#open.values()].reduce((sum, entrance) => sum + entrance.came, 0);
    for (let turn = 0; turn < LONGEST_LINE; turn += 1) {
      const before = came();
      // The first ends the turn of the event loop that is under way, and the second a whole one.
      for (let ends = 0; ends < 2; ends += 1) await new Promise((resolve) => setImmediate(resolve));
      if (came() === before) return;
    }
  }

  #lead(wanted: Wanted): string {
    const entrance = this.#open.get(keyOf(wanted)) as Entrance;
    entrance.taker = wanted.taker;
    entrance.access = wanted;
    limit(entrance.server, wanted.taker);
    const { early = [] } = entrance;
    entrance.early = undefined;
    for (const socket of early) wanted.taker.accept(socket);
    return entrance.bound;
  }
}

/** Any port is another one for each listener. */
function keyOf({ name, address }: Wanted): string {
  return JSON.stringify([address, address.kind !== 'unix' && address.port === 0 ? name : undefined]);
}

async function bindEntrance(wanted: Wanted): Promise<Entrance> {
  const { name, address, taker } = wanted;
  // Nothing is read before the connection has found its taker: see `adopt`.
  const server = createServer({ allowHalfOpen: true, noDelay: true, pauseOnConnect: true }, (socket) => {
    entrance.came += 1;
    if (entrance.early === undefined) entrance.taker.accept(socket);
    else entrance.early.push(socket);
  }).on('drop', () => {
    entrance.came += 1;
    if (entrance.early === undefined) entrance.taker.refused?.();
  });
  limit(server, taker);
  const entrance: Entrance & { bound: string } = { server, bound: '', access: wanted, taker, early: [], came: 0 };
  try {
    entrance.bound = await bind(server, address, wanted);
  } catch (cause) {
    throw bindError(name, address, cause);
  }
  return entrance;
}

function limit(server: Server, { maxConnections = Number.POSITIVE_INFINITY }: Taker): void {
  server.maxConnections = maxConnections;
}

const BIND_PROBLEMS: Readonly<Record<string, string>> = {
  EADDRINUSE: 'is in use; stop the other process, or choose another address',
  EACCES: 'may not be bound by this user; choose a port above 1023 or give the process the right to bind it',
  EADDRNOTAVAIL: 'is not an address of this machine; use one of its own, or 0.0.0.0',
  ENOTFOUND: 'names a host that cannot be resolved; use an IP address',
  EPERM: 'may not be given to its "owner" by this user; only root gives to another user, and members to their group',
  ENOENT: 'lies in a folder that does not exist; create it first',
};

function bindError(name: string, address: Address, cause: unknown): BrokerError {
  const code = (cause as NodeJS.ErrnoException).code ?? '';
  const text = address.kind === 'unix' ? `unix:${address.path}` : `${address.host}:${address.port}`;
  const problem = BIND_PROBLEMS[code] ?? `cannot be bound (${code})`;
  return new BrokerError('INTERNAL', `the address "${text}" of listener "${name}" ${problem}`, { stage: 'broker', cause });
}
