/**
 * Answers over HTTP/2 through the whole broker, asked for over both protocols: no crash, no hang, and what is whole arrives as it is, what is not
 * never passes for it.
 */

import { startBroker } from '../helpers/broker.ts';
import { startCollecting } from '../helpers/garbage.ts';
import { Http2Caller } from '../helpers/http2-client.ts';
import { openRaw } from '../helpers/raw-client.ts';
import { type AnswerCase, type Asked, answerCase, goodCase } from './http2-answer-cases.ts';
import { type Got, judgeGot } from './http2-answer-judge.ts';
import { AnsweringUpstream } from './http2-answering.ts';
import type { Random } from './random.ts';
import type { Findings } from './run.ts';
import { readAnswers } from './strict-answers.ts';

/** Each is a route with an upstream of its own, and answers one case at a time. */
const PATIENT_LANES = 12;
/** What these are left waiting for ends by the timeouts of their routes. */
const HASTY_LANES = 12;
const ONE_IN_HASTY = 5;
const COLLECTED_EACH = 20;
/** A busy machine takes its time; what takes longer hangs. */
const PATIENCE_MS = 20_000;
/** Behind this an upstream hangs up where an answer may rightly be left open. */
const QUIET_MS = 30;
const LONGEST_SHOWN = 4_000;

interface Lane {
  readonly path: string;
  readonly hasty: boolean;
  readonly upstream: AnsweringUpstream;
  readonly address: string;
  caller: Http2Caller;
}

/** Adds to `result`. */
export async function fuzzHttp2Answers(count: number, random: Random, result: Findings, onCase: () => void): Promise<void> {
  if (count === 0) return;
  // A mutation must not make the tag of one case that of another.
  const salted = (name: string | number) => `${name}-${random.int(2 ** 31).toString(36)}`;
  const known = new Set<string>();
  const queues: Record<'patient' | 'hasty', AnswerCase[]> = { patient: [], hasty: [] };
  for (let i = 0; i < count; i += 1) {
    const one = answerCase(random, salted(i));
    for (const { tag } of one.asked) known.add(tag);
    queues[one.kind !== 'well-formed' && random.chance(ONE_IN_HASTY) ? 'hasty' : 'patient'].push(one);
  }
  const collecting = await startCollecting(COLLECTED_EACH);
  const lanes = Array.from({ length: PATIENT_LANES + HASTY_LANES }, (_, i) => ({
    path: `/l${i}`,
    hasty: i >= PATIENT_LANES,
    upstream: new AnsweringUpstream(collecting),
  }));
  const routes: Record<string, unknown> = {};
  for (const { path, hasty, upstream } of lanes) {
    const timeouts = hasty ? { connect: '5s', response: '100ms', idle: '100ms' } : {};
    const way = { upstream: await upstream.start(), upstreamProtocol: 'h2c', timeouts, pool: { maxConnections: 4 } };
    routes[path.slice(1)] = { path, callers: ['anonymous'], token: null, ...way };
  }
  const local = { address: '127.0.0.1:0', authenticate: ['anonymous'], protocols: ['http/1.1', 'h2c'] };
  const broker = await startBroker({ listeners: { local }, routes, log: { level: 'error' } });
  const open = () => new Http2Caller(broker.url());

  await Promise.all(
    lanes.map(async (place, i) => {
      const lane: Lane = { ...place, address: broker.address(), caller: open() };
      const queue = queues[lane.hasty ? 'hasty' : 'patient'];
      for (let one = queue.pop(); one !== undefined; one = queue.pop()) {
        onCase();
        await judgeCase(one, lane, known, result);
        if (!lane.caller.session.destroyed) continue;
        result.findings.push({ bytes: shown(one, lane), found: ['HTTP/2 answers: the connection of the caller was ended'] });
        lane.caller = open();
      }
      await serves(lane, salted(`good${i}`), result);
      lane.caller.close();
    }),
  );
  await broker.close().catch((error: Error) => result.findings.push({ bytes: '', found: [`HTTP/2 answers: ${error.message}`] }));
  await Promise.all(lanes.map(({ upstream }) => upstream.close()));
  await collecting.close();
}

async function judgeCase(one: AnswerCase, lane: Lane, known: Set<string>, result: Findings): Promise<void> {
  const { upstream } = lane;
  let became = 'hangs';
  const found: string[] = [];
  try {
    const got = await drive(one, lane);
    for (const { tag } of one.asked) known.delete(tag);
    const judged = one.asked.map((asked, i) => judgeGot(asked, got[i] as Got, upstream.told(asked.tag), known));
    found.push(...judged.flatMap(({ findings }) => findings), ...upstream.strays.splice(0).map((tag) => `nobody asked for ${tag}`));
    became = [...new Set(judged.map((each) => each.became))].sort().reverse().join(', ');
    if (one.kind !== 'well-formed') await within(upstream.hangUp(), () => 'the broker keeps a connection that has been ended');
  } catch (error) {
    found.push((error as Error).message);
  }
  const key = `over sockets: HTTP/2 answers, ${one.kind}: ${became}`;
  result.counts.set(key, (result.counts.get(key) ?? 0) + 1);
  if (found.length > 0) result.findings.push({ bytes: shown(one, lane), found: found.map((what) => `HTTP/2 answers: ${what}`) });
}

/** What each of the callers got. */
async function drive(one: AnswerCase, lane: Lane): Promise<readonly Got[]> {
  const { upstream } = lane;
  if (one.opening !== undefined) await within(upstream.hangUp(), () => 'the broker keeps a connection that has been ended');
  upstream.expect(one);
  const waiting = new Set(one.asked.keys());
  const ask = async (asked: Asked, i: number) => {
    const got = await (asked.overHttp2 ? askHttp2(asked, lane) : askHttp1(asked, lane));
    waiting.delete(i);
    return got;
  };
  const all = Promise.all(one.asked.map(ask));
  const quiet = one.kind === 'well-formed' || lane.hasty ? undefined : setInterval(() => void upstream.hangUp(), QUIET_MS);
  try {
    return await within(all, () => `requests ${[...waiting].join()} hang`);
  } finally {
    clearInterval(quiet);
  }
}

async function within<T>(done: Promise<T>, otherwise: () => string): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(otherwise())), PATIENCE_MS);
  });
  return Promise.race([done, late]).finally(() => clearTimeout(timer));
}

async function askHttp2({ tag, method, body }: Asked, { caller, path }: Lane): Promise<Got> {
  const answer = await caller.ask({ path: `${path}/x`, method, fields: ['x-tag', tag], ...(body === '' ? {} : { body }) });
  const { status, fields, trailers, interims, whole } = answer;
  return { status: status || 0, fields, body: answer.body.toString('latin1'), trailers, interims, whole, problems: [] };
}

async function askHttp1({ tag, method, body }: Asked, { address, path }: Lane): Promise<Got> {
  const raw = await openRaw(address);
  const length = body === '' ? '' : `Content-Length: ${body.length}\r\n`;
  raw.write(`${method} ${path}/x HTTP/1.1\r\nHost: localhost\r\nx-tag: ${tag}\r\n${length}\r\n${body}`);
  const read = () => readAnswers(Buffer.from(raw.text(), 'latin1'), [method]);
  const isRead = (text: string) => text.includes('\r\n\r\n') && (problemOf(read) !== undefined || read().answers[0]?.complete === true);
  await raw.waitFor(isRead).catch(() => undefined);
  // What else there is, there should be nothing.
  await new Promise(setImmediate);
  const problem = problemOf(read);
  const { answers, rest } = problem === undefined ? read() : { answers: [], rest: '' };
  raw.reset();
  const [answer] = answers;
  const problems = [...(problem === undefined ? [] : [problem]), ...(rest === '' ? [] : ['more than one answer'])];
  if (answer === undefined) return { status: 0, fields: [], body: '', trailers: [], interims: [], whole: false, problems };
  const { status, body: said, fields, trailers, interims, complete: whole } = answer;
  return { status, fields: pairs(fields), body: said, trailers: pairs(trailers), interims, whole, problems };
}

function problemOf(step: () => unknown): string | undefined {
  try {
    step();
    return undefined;
  } catch (error) {
    return (error as Error).message;
  }
}

function pairs(lines: string): string[] {
  return lines
    .split('\r\n')
    .slice(0, -1)
    .flatMap((line) => [line.slice(0, line.indexOf(':')).toLowerCase(), line.slice(line.indexOf(':') + 1).replace(/^[\t ]+|[\t ]+$/g, '')]);
}

/** The route is as good as ever, whatever its upstream said before. */
async function serves(lane: Lane, name: string, result: Findings): Promise<void> {
  const until = performance.now() + PATIENCE_MS;
  for (let i = 0; ; i += 1) {
    const one = goodCase(`${name}-${i}`);
    const [got] = await drive(one, lane).catch(() => []);
    if (got?.status === 200 && got.whole && got.body === 'good') return;
    // The answer may be late by what its route takes for too late.
    if (lane.hasty && performance.now() < until) continue;
    return void result.findings.push({
      bytes: '',
      found: [`HTTP/2 answers: afterwards ${lane.path} is not served: ${JSON.stringify(got)}`],
    });
  }
}

/** What was asked, and what was said. */
function shown({ kind, asked, opening }: AnswerCase, { upstream, hasty }: Lane): string {
  const requests = asked.map(({ method, overHttp2, verdict }) => `${method} HTTP/${overHttp2 ? '2' : '1.1'}: ${verdict}`);
  return JSON.stringify({ kind, hasty, requests, opening: opening?.toString('latin1'), said: upstream.said() }).slice(0, LONGEST_SHOWN);
}
