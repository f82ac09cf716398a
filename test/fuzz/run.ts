/** Judges many cases and counts what became of them. */

import { answerCase, hostileAnswers } from './answers.ts';
import { fuzzHttp2 } from './http2.ts';
import { fuzzHttp2Answers } from './http2-answers.ts';
import { type Case, curatedCases, requestCase, smugglerCases } from './inputs.ts';
import { judgeAnswer, judgeRequests, type Verdict } from './judge.ts';
import { type Broker, overSockets } from './over-sockets.ts';
import { Random } from './random.ts';

export interface Findings {
  /** By kind and by what became of them. */
  readonly counts: Map<string, number>;
  readonly findings: { readonly bytes: string; readonly found: readonly string[] }[];
}

export interface Amounts {
  /** Mutated requests, in process. */
  readonly requests: number;
  /** Mutated answers, in process. */
  readonly answers: number;
  /** Mutated requests over real sockets, through the whole broker. */
  readonly sockets: number;
  /** Connections of HTTP/2 over real sockets, whole, malformed and mutated. */
  readonly http2: number;
  /** What upstreams of HTTP/2 say to some requests at once, over real sockets, whole, malformed and mutated. */
  readonly http2Answers: number;
}

/** @param onCase runs before each case */
export async function fuzz(seed: number, amounts: Amounts, broker: Broker | undefined, onCase: (index: number) => void): Promise<Findings> {
  const random = new Random(seed);
  const result: Findings = { counts: new Map(), findings: [] };
  let index = 0;
  const judge = async (how: string, one: Case, verdictOf: (one: Case, random: Random) => Promise<Verdict>) => {
    index += 1;
    onCase(index);
    const { became, findings } = await verdictOf(one, random);
    const key = `${how}: ${one.kind}: ${became}`;
    result.counts.set(key, (result.counts.get(key) ?? 0) + 1);
    if (findings.length > 0) result.findings.push({ bytes: JSON.stringify(one.bytes.toString('latin1')), found: findings });
  };
  for (const one of [...curatedCases(), ...smugglerCases()]) await judge('in process', one, judgeRequests);
  for (let i = 0; i < amounts.requests; i += 1) await judge('in process', requestCase(random), judgeRequests);
  for (const one of hostileAnswers()) for (let i = 0; i < 5; i += 1) await judge('in process', one, judgeAnswer);
  for (let i = 0; i < amounts.answers; i += 1) await judge('in process', answerCase(random), judgeAnswer);
  if (broker === undefined) return result;
  for (let i = 0; i < amounts.sockets; i += 1)
    await judge('over sockets', requestCase(random), (one, cuts) => overSockets(one, cuts, broker));
  const counted = () => {
    index += 1;
    onCase(index);
  };
  await fuzzHttp2(amounts.http2, random, broker, result, counted);
  await fuzzHttp2Answers(amounts.http2Answers, random, result, counted);
  return result;
}
