/** The proxies side by side: each started once for each variant after it was found correct, and measured in turns. */

import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import type { Setting } from '../setting.ts';
import { freePort, type StartedTarget, startTarget, type Target, type Variant } from '../targets/target.ts';
import { findFault, folderName } from './correctness.ts';

/** By the name of the target: one result for each round, or why there is none. */
export type Results<Result> = ReadonlyMap<string, readonly Result[] | string>;

export interface Row {
  readonly name: string;
  readonly unit: string;
  readonly figures: Results<number>;
}

/** One figure of each result. */
export function pick<Key extends string>(results: Results<Readonly<Record<Key, number>>>, key: Key): Row['figures'] {
  return new Map([...results].map(([name, found]) => [name, typeof found === 'string' ? found : found.map((result) => result[key])]));
}

export interface What {
  readonly name: string;
  readonly variant: Variant;
  /** Only these targets. */
  readonly only?: readonly string[] | undefined;
  /** Also the origin without any proxy, which is what the load and the origin themselves can do. */
  readonly direct?: boolean;
  /** `false` where a round takes long: only processes that have served nothing yet are then warmed up. */
  readonly warmUp?: boolean;
}

export const DIRECT = 'no proxy';

export class Lineup {
  readonly setting: Setting;
  readonly targets: readonly Target[];
  readonly say: (line: string) => void;
  readonly #started = new Map<string, Promise<StartedTarget>>();
  #folders = 0;

  constructor(targets: readonly Target[], setting: Setting, say: (line: string) => void) {
    this.targets = targets;
    this.setting = setting;
    this.say = say;
  }

  /** A B C, C B A, A B C…: what drifts on the machine hits all alike. The first round only warms up: it compiles, and opens connections. */
  async measure<Result>(what: What, rounds: number, once: (target: StartedTarget) => Promise<Result>): Promise<Results<Result>> {
    const results = new Map<string, readonly Result[] | string>();
    this.say(`measuring ${what.name}`);
    const starts = this.#startsOf(what);
    const warm = what.warmUp === false && this.#isRunning(what.variant);
    for (let round = warm ? 1 : 0; round <= rounds; round += 1) {
      for (const [name, start] of round % 2 === 0 ? starts : starts.toReversed()) {
        const sofar = results.get(name) ?? [];
        if (typeof sofar === 'string') continue;
        try {
          const result = await once(await start());
          results.set(name, round === 0 ? [] : [...sofar, result]);
        } catch (error) {
          results.set(name, this.refuse(name, what.name, error as Error));
        }
      }
    }
    return results;
  }

  /** Tells why a target has no result, and returns it. */
  refuse(target: string, what: string, { message }: Error): string {
    this.say(`refused: ${target}, ${what}: ${message}`);
    return message;
  }

  /** A process that has served next to nothing yet; the caller stops it. */
  async startFresh(target: Target, variant: Variant): Promise<StartedTarget> {
    const folder = join(this.setting.folder, `${folderName(target)}-${this.#folders}`);
    this.#folders += 1;
    await mkdir(folder);
    const originPort = this.setting.origin[variant.scheme];
    return startTarget(target, { ...variant, setting: this.setting, folder, port: await freePort(), originPort });
  }

  #startsOf({ variant, only, direct }: What): (readonly [name: string, start: () => Promise<StartedTarget>])[] {
    const starts = this.targets
      .filter(({ name }) => only === undefined || only.includes(name))
      .map((target) => [target.name, () => this.#start(target, variant)] as const);
    return direct === true && variant.scheme === 'http' && !variant.accessLog ? [...starts, [DIRECT, () => this.#noProxy()]] : starts;
  }

  #isRunning(variant: Variant): boolean {
    return [...this.#started.keys()].some((key) => key.endsWith(keyOf(variant)));
  }

  async #noProxy(): Promise<StartedTarget> {
    return { pid: process.pid, port: this.setting.origin.http, output: () => '', stop: () => Promise.resolve() };
  }

  #start(target: Target, variant: Variant): Promise<StartedTarget> {
    const key = `${target.name} ${keyOf(variant)}`;
    const found = this.#started.get(key) ?? this.#startCorrect(target, variant);
    this.#started.set(key, found);
    return found;
  }

  async #startCorrect(target: Target, variant: Variant): Promise<StartedTarget> {
    const fault = await findFault(target, variant, this.setting);
    if (fault !== undefined) throw new Error(`not measured, since it is not correct: ${fault}`);
    return this.startFresh(target, variant);
  }
}

function keyOf({ scheme, accessLog, http2 }: Variant): string {
  return `${http2 ? 'http2 ' : ''}${scheme}${accessLog ? ' logged' : ''}`;
}
