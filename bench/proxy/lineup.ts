/** The proxies side by side: each started once for each variant after it was found correct, and measured in turns. */

import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import type { Setting } from '../setting.ts';
import { freePort, type StartedTarget, startTarget, type Target, type Variant } from '../targets/target.ts';
import { findFault } from './correctness.ts';

export interface Row {
  readonly name: string;
  readonly unit: string;
  /** By the name of the target: one figure for each round, or why there is none. */
  readonly figures: ReadonlyMap<string, readonly number[] | string>;
}

export class Lineup {
  readonly setting: Setting;
  readonly #targets: readonly Target[];
  readonly #say: (line: string) => void;
  readonly #started = new Map<string, Promise<StartedTarget>>();

  constructor(targets: readonly Target[], setting: Setting, say: (line: string) => void) {
    this.#targets = targets;
    this.setting = setting;
    this.#say = say;
  }

  get names(): string[] {
    return this.#targets.map(({ name }) => name);
  }

  /** A B C, C B A, A B C…: what drifts on the machine hits all alike. The first round only warms up: it compiles, and opens connections. */
  async measure(
    { name, unit, variant, only }: { name: string; unit: string; variant: Variant; only?: readonly string[] },
    rounds: number,
    measureOnce: (target: StartedTarget) => Promise<number>,
  ): Promise<Row> {
    const figures = new Map<string, number[] | string>();
    const targets = this.#targets.filter((target) => only === undefined || only.includes(target.name));
    for (let round = 0; round <= rounds; round += 1) {
      for (const target of round % 2 === 0 ? targets : targets.toReversed()) {
        const sofar = figures.get(target.name) ?? [];
        if (typeof sofar === 'string') continue;
        try {
          const figure = await measureOnce(await this.#start(target, variant));
          figures.set(target.name, round === 0 ? [] : [...sofar, figure]);
        } catch (error) {
          figures.set(target.name, (error as Error).message);
          this.#say(`refused: ${target.name}, ${name}: ${(error as Error).message}`);
        }
      }
    }
    return { name, unit, figures };
  }

  /** A process that has served nothing yet. */
  async startFresh(target: Target, variant: Variant): Promise<StartedTarget> {
    const folder = join(this.setting.folder, `${target.name}-${this.#started.size}-${Date.now()}`);
    await mkdir(folder);
    const originPort = this.setting.origin[variant.scheme];
    return startTarget(target, { ...variant, setting: this.setting, folder, port: await freePort(), originPort });
  }

  #start(target: Target, variant: Variant): Promise<StartedTarget> {
    const key = `${target.name} ${variant.scheme} ${variant.accessLog}`;
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
