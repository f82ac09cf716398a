/** From flags, and from a person where there is one, to answers that make a config without problems. */

import type { Io } from '../io.ts';
import { Dialogue } from './dialogue.ts';
import { answerProblem } from './judge.ts';
import { type Offer, OfferError, readOffer } from './offer.ts';
import { type Answers, completed, flagOf, inFull, QUESTION_NAMES, QUESTIONS, type QuestionName, withoutGaps } from './questions.ts';

export interface GatherOptions {
  readonly io: Io;
  readonly flags: Partial<Answers>;
  /** Whether somebody is there to be asked. */
  readonly interactive: boolean;
  /** Whether the issuer is asked what it offers. */
  readonly online: boolean;
}

export type Gathered = { readonly answers: Answers } | { readonly problems: readonly string[] };

/** Rejects with `Abandoned` when the person leaves. */
export async function gather(options: GatherOptions): Promise<Gathered> {
  const dialogue = options.interactive ? new Dialogue(options.io) : undefined;
  try {
    return await new Gathering(options, dialogue).run();
  } finally {
    dialogue?.close();
  }
}

class Gathering {
  readonly #options: GatherOptions;
  readonly #dialogue: Dialogue | undefined;
  readonly #given: Partial<Record<QuestionName, string>> = {};
  readonly #problems: string[] = [];
  #offer: Offer | undefined;

  constructor(options: GatherOptions, dialogue: Dialogue | undefined) {
    this.#options = options;
    this.#dialogue = dialogue;
  }

  async run(): Promise<Gathered> {
    for (const name of QUESTION_NAMES) await this.#settle(name);
    return this.#problems.length > 0 ? { problems: this.#problems } : { answers: this.#answers() };
  }

  #answers(): Answers {
    return completed(this.#given, this.#offer?.methods);
  }

  async #settle(name: QuestionName): Promise<void> {
    const flag = this.#options.flags[name];
    // The flags that follow decide too: whoever gave a token endpoint is not asked for an issuer.
    const isNeeded = QUESTIONS[name].isNeeded?.(withoutGaps({ ...this.#options.flags, ...this.#given })) ?? true;
    if (!isNeeded) {
      this.#given[name] = '';
      if (flag !== undefined) this.#complain(`${flagOf(name)} has no use beside the other answers; leave it out`);
      return;
    }
    const problem = flag === undefined ? undefined : await this.#problemOf(name, flag);
    if (problem !== undefined) this.#complain(`${flagOf(name)} ${problem}`);
    if (flag !== undefined && problem === undefined) this.#given[name] = flag;
    else if (this.#dialogue !== undefined) this.#given[name] = await this.#asked(name, this.#dialogue);
    else this.#goOnWithout(name);
  }

  /** What comes after it is judged all the same. */
  #goOnWithout(name: QuestionName): void {
    const { asks, example, insteadOf } = QUESTIONS[name];
    const fallback = this.#fallback(name);
    const isMissing = this.#options.flags[name] === undefined && fallback === undefined;
    const flags = insteadOf === undefined ? flagOf(name) : `${flagOf(insteadOf)} or ${flagOf(name)}`;
    if (isMissing) this.#complain(`${flags} is missing: ${asks}`);
    this.#given[name] = (this.#options.flags[name] === undefined ? fallback : example) ?? example ?? fallback ?? '';
  }

  async #asked(name: QuestionName, dialogue: Dialogue): Promise<string> {
    const fallback = this.#fallback(name);
    const asks = inFull(name);
    const question = `${asks.slice(0, 1).toUpperCase()}${asks.slice(1)}${fallback ? ` [${fallback}]` : ''}: `;
    for (;;) {
      const answer = (await dialogue.ask(question)) || (fallback ?? '');
      const problem = await this.#problemOf(name, answer);
      if (problem === undefined) return answer;
      dialogue.say(`  that ${problem}`);
    }
  }

  #fallback(name: QuestionName): string | undefined {
    return QUESTIONS[name].fallback?.(this.#answers(), this.#offer?.methods);
  }

  async #problemOf(name: QuestionName, answer: string): Promise<string | undefined> {
    const problem = answerProblem(name, answer, this.#given, this.#offer?.methods);
    if (problem !== undefined || name !== 'issuer' || answer === '' || !this.#options.online) return problem;
    try {
      this.#offer = await readOffer(answer);
    } catch (error) {
      if (error instanceof OfferError) return error.message;
      throw error;
    }
    this.#options.io.stderr.write(`the server says:\n${this.#offer.said.join('\n')}\n`);
    return undefined;
  }

  #complain(problem: string): void {
    if (this.#dialogue === undefined) this.#problems.push(problem);
    else this.#dialogue.say(problem);
  }
}
