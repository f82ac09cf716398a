/** Whether what a caller got of an answer over HTTP/2 is what may become of it. */

import { type Asked, TAG } from './http2-answer-cases.ts';
import type { Told } from './http2-answering.ts';

/** What a caller got, over either protocol. */
export interface Got {
  /** 0 where there was none. */
  readonly status: number;
  /** Name, value, name, value, … with names in lower case. */
  readonly fields: readonly string[];
  readonly body: string;
  readonly trailers: readonly string[];
  readonly interims: readonly number[];
  /** Its end came, as its framing announces it. */
  readonly whole: boolean;
  /** What no caller should have to read. */
  readonly problems: readonly string[];
}

/** They concern one connection, or frame a message: an upstream's are never passed on. */
const HOP_BY_HOP = new Set(
  'connection keep-alive proxy-connection transfer-encoding upgrade te trailer proxy-authenticate http2-settings'.split(' '),
);
const OURS_OVER_HTTP1 = new Set(['connection', 'transfer-encoding']);

export function judgeGot(
  asked: Asked,
  got: Got,
  told: readonly Told[],
  others: ReadonlySet<string>,
): { became: string; findings: string[] } {
  const findings = [...got.problems, ...cleanliness(asked, got, others)];
  const isRefused = [502, 503, 504].includes(got.status) && valuesOf(got.fields, 'x-tag').length === 0;
  const isPassed = got.whole && !isRefused;
  const { verdict } = asked;
  if (got.status === 0) findings.push('no answer');
  if (got.status === 500 && valuesOf(got.fields, 'content-type').includes('application/problem+json')) findings.push('a mistake of ours');
  if (verdict === 'whole' && !isPassed) findings.push(`a whole answer became ${JSON.stringify(got)}`);
  const isMet = !asked.overHttp2 && hasItsLength(got) && told.some(({ body }) => body.startsWith(got.body));
  if (isPassed && (verdict === 'broken' || (verdict === 'cut' && !isMet)))
    findings.push(`a malformed answer was passed on: ${JSON.stringify(got)}`);
  if (isPassed && (verdict === 'whole' || verdict === 'either')) findings.push(...changes(asked, got, told.length));
  if (isPassed && verdict === 'any') findings.push(...beyondFrames(asked, got, told, isMet));
  if (told.length > mostSendings(asked)) findings.push(`one request became ${told.length}`);
  return { became: isRefused ? `refused ${got.status}` : got.whole ? 'passed on' : 'cut short', findings };
}

/** Safe methods may be sent once more, and others without a body that were refused unprocessed. */
function mostSendings({ body }: Asked): number {
  return body === '' ? 2 : 1;
}

function cleanliness({ overHttp2 }: Asked, { fields, trailers, body, status }: Got, others: ReadonlySet<string>): string[] {
  const findings: string[] = [];
  const lines = [...fields, ...trailers];
  for (let i = 0; i < lines.length; i += 2) {
    const [name, value] = [lines[i] as string, lines[i + 1] as string];
    if (HOP_BY_HOP.has(name) && (overHttp2 || !OURS_OVER_HTTP1.has(name))) findings.push(`"${name}" was passed on`);
    if (!/^[!#$%&'*+\-.^_`|~0-9a-z]+$/.test(name) || /[^\t -~\x80-\xff]/.test(value)) findings.push(`"${name}" is malformed`);
  }
  const lengths = valuesOf(fields, 'content-length');
  if (lengths.length > 1 || lengths.some((length) => !/^\d+$/.test(length))) findings.push('a malformed length was passed on');
  if (valuesOf(trailers, 'content-length').length > 0) findings.push('a length behind the body');
  if (status !== 0 && (status < 200 || status > 599)) findings.push(`the status is ${status}`);
  for (const [tag] of `${lines.join('\n')}\n${body}`.matchAll(TAG)) if (others.has(tag)) findings.push(`another answer's tag: ${tag}`);
  return findings;
}

function changes({ answer, overHttp2 }: Asked, got: Got, sendings: number): string[] {
  const findings: string[] = [];
  const added = new Set(overHttp2 ? ['date'] : ['date', 'connection', 'transfer-encoding']);
  const sorted = (fields: readonly string[], isLeftOut: (name: string) => boolean) =>
    fields
      .flatMap((name, i) => (i % 2 === 0 && !isLeftOut(name) ? [`${name}: ${fields[i + 1]}`] : []))
      .sort()
      .join('\n');
  const expected = sorted(answer.fields, (name) => HOP_BY_HOP.has(name));
  const same = (what: string, ours: string | number, theirs: string | number) =>
    void (ours !== theirs && findings.push(`the ${what} became ${JSON.stringify(ours)}, was ${JSON.stringify(theirs)}`));
  same('status', got.status, answer.status);
  same(
    'head',
    sorted(got.fields, (name) => added.has(name)),
    expected,
  );
  same('body', got.body, answer.body);
  // HTTP/1.1 has them behind chunks alone.
  const isCounted = !overHttp2 && valuesOf(got.fields, 'content-length').length > 0;
  same(
    'trailers',
    sorted(got.trailers, () => false),
    sorted(answer.trailers, () => isCounted),
  );
  // Those of the first sending have been passed on by then.
  if (sendings === 1) same('interim answers', got.interims.join(), answer.interims.join());
  return findings;
}

/** A whole answer is one whose stream was ended, with these very bytes in its frames. */
function beyondFrames({ method }: Asked, got: Got, told: readonly Told[], isMet: boolean): string[] {
  if (method === 'HEAD' || got.status === 204 || got.status === 304) return [];
  return isMet || told.some(({ ended, body }) => ended && body === got.body)
    ? []
    : [`what was passed on as whole is not what was said: ${JSON.stringify(got)}`];
}

function hasItsLength({ fields, body }: Got): boolean {
  return Number(valuesOf(fields, 'content-length')[0]) === body.length;
}

function valuesOf(fields: readonly string[], name: string): string[] {
  return fields.filter((_, i) => i % 2 === 1 && fields[i - 1] === name);
}
