/** Cases of HTTP/2 through the whole broker over sockets: no crash, no hang, and what is refused never arrives, what is whole always. */

import { type Collecting, startCollecting } from '../helpers/garbage.ts';
import { codeOf, data, type Frame, FrameCaller, plain, request } from '../helpers/http2-client.ts';
import { FRAME, frame } from '../helpers/http2-frames.ts';
import { fieldLines } from '../helpers/message-framing.ts';
import type { ScriptedRequest } from '../helpers/scripted-server.ts';
import { type Http2Case, http2Case } from './http2-cases.ts';
import type { Broker } from './over-sockets.ts';
import type { Random } from './random.ts';
import type { Findings } from './run.ts';

const AT_ONCE = 16;
/** Node has aborted when it collected garbage at the wrong moment (ADR 21). */
const COLLECTED_EACH = 20;
/** A busy machine takes its time; what takes longer hangs. */
const PATIENCE_MS = 10_000;
/** Behind a mutation a connection may rightly wait for more. */
const QUIET_MS = 40;

/** Adds to `result`. */
export async function fuzzHttp2(count: number, random: Random, broker: Broker, result: Findings, onCase: () => void): Promise<void> {
  const known = broker.origin.requests.length;
  // A mutation must not make the tag of one case that of another.
  const cases = Array.from({ length: count }, (_, i) => http2Case(random, `t${i}-${random.int(2 ** 31).toString(36)}`));
  const answers = new Map<Http2Case, readonly Frame[]>();
  const waiting = [...cases];
  const found = (one: Http2Case | undefined, what: string) =>
    void result.findings.push({ bytes: JSON.stringify(one?.bytes.toString('latin1') ?? ''), found: [`HTTP/2: ${what}`] });
  const collecting = await startCollecting(COLLECTED_EACH);
  const lane = async () => {
    for (let one = waiting.pop(); one !== undefined; one = waiting.pop()) {
      onCase();
      try {
        answers.set(one, await drive(one, broker, random.split(one.bytes), collecting));
      } catch (error) {
        found(one, (error as Error).message);
      }
    }
  };
  await Promise.all(Array.from({ length: AT_ONCE }, lane));
  await collecting.close();
  await serves(broker).catch((error: Error) => found(undefined, `afterwards: ${error.message}`));

  const arrived = byTag(broker.origin.requests.slice(known));
  for (const one of cases) {
    const { became, findings } = judge(one, answers.get(one) ?? [], arrived);
    for (const each of findings) found(one, each);
    const key = `over sockets: HTTP/2, ${one.kind}: ${became}`;
    result.counts.set(key, (result.counts.get(key) ?? 0) + 1);
  }
  for (const { problem, kind } of broker.origin.leftovers)
    if (kind === 'broken') found(undefined, `the upstream could not frame: ${problem}`);
}

/** Everything that came back. */
async function drive(one: Http2Case, { address }: Broker, pieces: readonly Buffer[], collecting: Collecting): Promise<readonly Frame[]> {
  const caller = await FrameCaller.open(address());
  await caller.settle();
  for (const piece of pieces) caller.raw.write(piece);
  collecting.look();
  const isGone = () => caller.frames.some(({ type }) => type === FRAME.goaway);
  const isOver = (stream: number) => caller.frames.some((each) => each.stream === stream && endsStream(each));
  const over = caller.raw.waitFor(() => isGone() || one.requests.every(({ stream }) => isOver(stream))).catch(() => undefined);
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise((resolve, reject) => {
    const isMutated = one.kind === 'mutated';
    timer = setTimeout(() => (isMutated ? resolve(undefined) : reject(new Error('it hangs'))), isMutated ? QUIET_MS : PATIENCE_MS);
  });
  try {
    await Promise.race([over, late]);
    return caller.frames;
  } finally {
    clearTimeout(timer);
    caller.raw.reset();
  }
}

function endsStream({ type, flags }: Frame): boolean {
  return type === FRAME.reset || ((type === FRAME.data || type === FRAME.headers) && (flags & 1) === 1);
}

/** Somebody else is served as ever. */
async function serves({ address, origin }: Broker): Promise<void> {
  const before = origin.requests.length;
  const caller = await FrameCaller.open(address());
  caller.write(request(1, plain('/api/last', 'POST'), { ended: false }), data(1, 'x', true), frame(FRAME.ping, 0, 0, Buffer.alloc(8)));
  await caller.waitFor((each) => each.stream === 1 && endsStream(each));
  caller.raw.socket.destroy();
  if (origin.requests.length !== before + 1) throw new Error('a good request was not forwarded once');
}

function byTag(requests: readonly ScriptedRequest[]): ReadonlyMap<string, readonly ScriptedRequest[]> {
  return Map.groupBy(requests, ({ head }) => fieldLines(head, 'x-tag').join());
}

function judge(one: Http2Case, frames: readonly Frame[], arrived: ReadonlyMap<string, readonly ScriptedRequest[]>) {
  const findings: string[] = [];
  let forwarded = 0;
  for (const { tag, stream, method, target, body } of one.requests) {
    const got = arrived.get(tag) ?? [];
    const said = Buffer.concat(frames.filter((each) => each.stream === stream && each.type === FRAME.data).map(({ payload }) => payload));
    forwarded += got.length;
    for (const { head, pipelined } of got)
      findings.push(...cleanliness(head), ...(pipelined ? ['two requests at once on a connection'] : []));
    // A frame that was said twice, on another stream, may be a request of its own.
    if (got.length > 1 && one.kind !== 'mutated') findings.push('one request became several');
    if (said.includes('"code":"') && got.length > 0 && one.kind !== 'mutated') findings.push('what was refused was forwarded');
    if (one.kind === 'malformed' && got.length > 0) findings.push(`a malformed request was forwarded: ${got[0]?.head}`);
    if (one.kind !== 'well-formed') continue;
    const whole = got[0];
    if (said.toString() !== 'ok' || whole === undefined) findings.push('a whole request was not answered');
    else if (whole.method !== method || whole.target !== target || whole.body.toString('latin1') !== body)
      findings.push('a whole request was changed');
  }
  const goaway = frames.find(({ type }) => type === FRAME.goaway);
  const became =
    forwarded > 0 ? 'forwarded' : goaway !== undefined ? `connection ended with ${codeOf(goaway)}` : 'refused, or waits for more';
  return { became, findings };
}

/** What no request of ours may lack, hold or repeat. */
function cleanliness(head: string): string[] {
  const findings: string[] = [];
  if (fieldLines(head, 'authorization').join() !== 'Bearer scripted-access-token') findings.push('the credentials are not ours alone');
  if (fieldLines(head, 'host').length !== 1) findings.push('there is not one host');
  if (fieldLines(head, 'content-length').length + fieldLines(head, 'transfer-encoding').length > 1)
    findings.push('the length is said twice');
  if (/^(?:connection|te|upgrade|expect|proxy-authorization|keep-alive|:.*):/im.test(head))
    findings.push('a hop-by-hop field was passed on');
  if (/[\0\x7f]|[^\r]\n|\r[^\n]/.test(head)) findings.push('the head holds control characters');
  return findings;
}
