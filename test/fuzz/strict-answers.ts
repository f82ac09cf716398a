/** Reads answers as strictly as RFC 9112 allows, by nothing of the broker's own. */

export interface ReadAnswer {
  readonly status: number;
  readonly fields: string;
  readonly body: string;
  /** The lines behind the last chunk. */
  readonly trailers: string;
  /** Statuses of the interim answers before it. */
  readonly interims: readonly number[];
  /** The end that its framing announces has come. */
  readonly complete: boolean;
}

/** The answers to requests of these methods. Throws where the bytes are no answers. */
export function readAnswers(bytes: Buffer, methods: readonly string[]): { answers: ReadAnswer[]; rest: string } {
  const answers: ReadAnswer[] = [];
  let text = bytes.toString('latin1');
  let interims: number[] = [];
  while (text !== '') {
    const head = /^HTTP\/1\.1 ([1-5]\d\d) [\t -~\x80-\xff]*\r\n((?:[!#$%&'*+\-.^_`|~0-9A-Za-z]+:[\t -~\x80-\xff]*\r\n)*)\r\n/.exec(text);
    if (head === null) throw new Error(`no answer: ${JSON.stringify(text.slice(0, 80))}`);
    const status = Number(head[1]);
    const fields = head[2] as string;
    const rest = text.slice(head[0].length);
    if (status < 200) {
      if (/^(?:content-length|transfer-encoding):/im.test(fields)) throw new Error('an interim answer has a length');
      text = rest;
      interims.push(status);
      continue;
    }
    if (answers.length === methods.length) return { answers, rest: text };
    const { body, after, trailers = '', complete } = readBody(rest, fields, methods[answers.length] as string, status);
    answers.push({ status, fields, body, trailers, interims, complete });
    interims = [];
    text = after;
  }
  return { answers, rest: '' };
}

interface ReadBody extends Pick<ReadAnswer, 'body' | 'complete'> {
  readonly after: string;
  readonly trailers?: string;
}

function readBody(text: string, fields: string, method: string, status: number): ReadBody {
  const lengths = [...fields.matchAll(/^content-length:[\t ]*(.*?)[\t ]*$/gim)].map(([, value]) => value as string);
  const codings = [...fields.matchAll(/^transfer-encoding:[\t ]*(.*?)[\t ]*$/gim)].map(([, value]) => value as string);
  if (lengths.length + codings.length > 1) throw new Error('more than one length');
  if (method === 'HEAD' || status === 204 || status === 304) return { body: '', after: text, complete: true };
  if (codings.length === 1) {
    if (codings[0] !== 'chunked') throw new Error('an odd coding');
    return readChunks(text);
  }
  if (lengths.length === 0) throw new Error('no length');
  if (!/^\d+$/.test(lengths[0] as string)) throw new Error('an odd length');
  const length = Number(lengths[0]);
  return { body: text.slice(0, length), after: text.slice(length), complete: text.length >= length };
}

function readChunks(text: string): ReadBody {
  let body = '';
  let rest = text;
  for (;;) {
    const size = /^([0-9a-f]+)\r\n/.exec(rest);
    if (size === null) return cut(body, rest, /^[0-9a-f]*\r?$/);
    rest = rest.slice(size[0].length);
    const bytes = Number.parseInt(size[1] as string, 16);
    if (bytes === 0) break;
    body += rest.slice(0, bytes);
    rest = rest.slice(bytes);
    if (!rest.startsWith('\r\n')) return cut(body, rest, /^\r?$/);
    rest = rest.slice(2);
  }
  const trailers = /^((?:[!#$%&'*+\-.^_`|~0-9A-Za-z]+:[\t -~\x80-\xff]*\r\n)*)\r\n/.exec(rest);
  if (trailers === null) return cut(body, rest, /^[\s\S]*$/);
  return { body, after: rest.slice(trailers[0].length), trailers: trailers[1] as string, complete: true };
}

function cut(body: string, rest: string, mayBe: RegExp): ReadBody {
  if (!mayBe.test(rest)) throw new Error(`a broken chunk: ${JSON.stringify(rest.slice(0, 40))}`);
  return { body, after: '', complete: false };
}
