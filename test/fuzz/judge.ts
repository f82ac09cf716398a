/** Whether what the engine made of a case can be told from what others make of it. */

import { fieldLines } from '../helpers/message-framing.ts';
import { runEngine } from './engine.ts';
import type { Case } from './inputs.ts';
import { readAnswer, readRequests, type SeenRequest, type SeenRequests } from './llhttp.ts';
import type { Random } from './random.ts';
import { readAnswers } from './strict-answers.ts';

export interface Verdict {
  /** What became of it, to be counted. */
  readonly became: string;
  /** A difference that somebody could use; empty where all is well. */
  readonly findings: readonly string[];
}

/** One case towards the upstream. */
export async function judgeRequests({ bytes }: Case, random: Random): Promise<Verdict> {
  const findings: string[] = [];
  const { forwarded, problems, answered, closed } = await runEngine(random.split(bytes));
  findings.push(...problems);
  const ours = forwarded.map(({ head, body }): SeenRequest => {
    const [method = '', target = ''] = head.split(' ', 2);
    return { method, target, body: body.toString('latin1') };
  });
  for (const { head } of forwarded) findings.push(...cleanliness(head));
  const statuses = statusesOf(
    answered,
    ours.map(({ method }) => method),
    findings,
  );
  if (statuses.filter((status) => status === 200).length !== ours.length) findings.push('not each forwarded request was answered');
  const refusals = statuses.filter((status) => status !== 200);
  if (refusals.length > 1) findings.push('more than one refusal on a connection');
  if (refusals.length === 1 && !closed) findings.push('the connection goes on after a refusal');

  const direct = await readRequests(bytes, ours.length);
  // Who is asked to upgrade stops reading requests.
  if (!/^upgrade:/im.test(bytes.toString('latin1'))) findings.push(...compare('the caller sent', ours, direct));
  if (ours.length > 0) {
    const behind = await readRequests(Buffer.concat(forwarded.map(({ raw }) => raw)), ours.length);
    findings.push(...compare('we forwarded', ours, behind));
    if (behind.seen.length > ours.length) findings.push('llhttp sees more than we forwarded');
  }
  const became = refusals.length > 0 ? `refused ${refusals[0]}` : ours.length > 0 ? 'forwarded' : 'waits for more';
  const llhttpRefuses = direct.refused !== undefined && direct.seen.length < ours.length;
  return { became: llhttpRefuses ? `${became}, llhttp says ${direct.refused}` : became, findings };
}

/** What no request of ours may lack, hold or repeat. */
function cleanliness(head: string): string[] {
  const findings: string[] = [];
  if (fieldLines(head, 'authorization').join() !== 'Bearer our-token') findings.push('the credentials are not ours alone');
  if (fieldLines(head, 'host').join() !== 'upstream') findings.push('the host is not the upstream alone');
  if (/^(?:connection|te|upgrade|expect|proxy-authorization|keep-alive):/im.test(head)) findings.push('a hop-by-hop field was passed on');
  if (/[\0\x7f]|[^\r]\n|\r[^\n]/.test(head)) findings.push('the head holds control characters');
  return findings;
}

function statusesOf(answered: Buffer, methods: readonly string[], findings: string[]): number[] {
  try {
    const { answers, rest } = readAnswers(answered, [...methods, 'GET']);
    if (rest !== '') findings.push('the caller got more answers than it asked for');
    // A refused HEAD is answered without a body.
    if (answers.some(({ complete, body }) => !complete && body !== '')) findings.push('an answer is not whole');
    return answers.map(({ status }) => status);
  } catch (error) {
    findings.push(`the caller got ${(error as Error).message}`);
    return [];
  }
}

function compare(what: string, ours: readonly SeenRequest[], theirs: SeenRequests): string[] {
  for (const [index, request] of ours.entries()) {
    const seen = theirs.seen[index];
    if (seen === undefined) {
      if (theirs.refused !== undefined && HARMLESS.has(theirs.refused)) return [];
      return [`${what}: llhttp sees ${theirs.seen.length} of ${ours.length} requests, then ${theirs.refused}`];
    }
    // Of a whole URL the upstream is sent path and query.
    const target = seen.target.replace(/^https?:\/\/[^/?]*\/?/i, '/');
    if (seen.method !== request.method || target !== request.target || seen.body !== request.body)
      return [`${what}: llhttp reads ${JSON.stringify(seen)}, we ${JSON.stringify(request)}`];
  }
  return [];
}

/** llhttp knows only some methods; any token is one (RFC 9110 §9.1). */
const HARMLESS = new Set(['HPE_INVALID_METHOD']);

const ASKED = 'GET HEAD POST'.split(' ');

/** One case towards the caller: `bytes` are what an upstream says. */
export async function judgeAnswer({ bytes }: Case, random: Random): Promise<Verdict> {
  const findings: string[] = [];
  const method = random.pick(ASKED);
  const request = Buffer.from(`${method} /api/x HTTP/1.1\r\nHost: localhost\r\n\r\n`);
  const { answered } = await runEngine([request], { bytes: random.split(bytes), end: true });
  let became = 'nothing';
  try {
    const { answers, rest } = readAnswers(answered, [method]);
    if (rest !== '') findings.push('the caller got more than one answer');
    const [ours] = answers;
    if (ours === undefined) return { became, findings: [...findings, 'no answer'] };
    became = ours.status === 502 ? 'refused 502' : ours.complete ? 'passed on' : 'cut short';
    const behind = await readAnswer(method, answered);
    if (behind === undefined) findings.push('llhttp refuses what the caller got');
    else if (behind.status !== ours.status || behind.body !== ours.body || behind.complete !== ours.complete)
      findings.push(`llhttp reads ${JSON.stringify(behind)}, we meant ${JSON.stringify(ours)}`);
    if (became !== 'passed on') return { became, findings };
    const direct = await readAnswer(method, bytes);
    if (direct === undefined) became += ', llhttp refuses';
    else if (direct.status !== ours.status || direct.body !== ours.body || !direct.complete)
      findings.push(`llhttp reads ${JSON.stringify(direct)} of the upstream's bytes, we passed on ${JSON.stringify(ours)}`);
  } catch (error) {
    findings.push((error as Error).message);
  }
  return { became, findings };
}
