/** Cuts a byte stream into HTTP/1.1 requests by framing alone, without judging or changing anything else. */

/** One whole request as it came. */
export interface FramedRequest {
  /** Request line and fields with the empty line, one character a byte. */
  readonly head: string;
  /** The body without its framing. */
  readonly body: Buffer;
  /** The trailer lines of a chunked body, `""` without. */
  readonly trailers: string;
  /** Head, framing and body, byte for byte. */
  readonly raw: Buffer;
}

export type Framed =
  /** The head and perhaps some of the body are there; `undefined` head: not even that. */
  | { readonly state: 'partial'; readonly head: string | undefined; readonly body: Buffer }
  | { readonly state: 'whole'; readonly request: FramedRequest; readonly rest: Buffer }
  | { readonly state: 'broken'; readonly problem: string };

/** Looks at what has been received of a connection and not yet been taken as a request. */
export function frame(bytes: Buffer): Framed {
  const headEnd = bytes.indexOf('\r\n\r\n');
  if (headEnd === -1) return { state: 'partial', head: undefined, body: Buffer.alloc(0) };
  const bodyStart = headEnd + 4;
  const head = bytes.toString('latin1', 0, bodyStart);
  const lengths = fieldLines(head, 'content-length');
  const codings = fieldLines(head, 'transfer-encoding');
  if (lengths.length + codings.length > 1) return { state: 'broken', problem: 'more than one length' };
  if (codings.length === 1) {
    if (codings[0]?.toLowerCase() !== 'chunked') return { state: 'broken', problem: 'a transfer coding other than chunked' };
    return frameChunked(bytes, head, bodyStart);
  }
  const length = lengths[0] ?? '0';
  if (!/^\d+$/.test(length)) return { state: 'broken', problem: 'a length that is no number' };
  const end = bodyStart + Number(length);
  if (bytes.length < end) return { state: 'partial', head, body: bytes.subarray(bodyStart) };
  const request = { head, body: bytes.subarray(bodyStart, end), trailers: '', raw: bytes.subarray(0, end) };
  return { state: 'whole', request, rest: bytes.subarray(end) };
}

/** The values of a field, in order, as they stand in a head. */
export function fieldLines(head: string, name: string): string[] {
  return head
    .split('\r\n')
    .slice(1)
    .filter((line) => line.slice(0, line.indexOf(':')).toLowerCase() === name.toLowerCase())
    .map((line) => line.slice(line.indexOf(':') + 1).replace(/^[\t ]+|[\t ]+$/g, ''));
}

function frameChunked(bytes: Buffer, head: string, bodyStart: number): Framed {
  const chunks: Buffer[] = [];
  let at = bodyStart;
  for (;;) {
    const lineEnd = bytes.indexOf('\r\n', at);
    if (lineEnd === -1) return { state: 'partial', head, body: Buffer.concat(chunks) };
    const size = /^([0-9A-Fa-f]{1,8})(?:;.*)?$/.exec(bytes.toString('latin1', at, lineEnd))?.[1];
    if (size === undefined) return { state: 'broken', problem: 'a malformed chunk size' };
    const start = lineEnd + 2;
    const end = start + Number.parseInt(size, 16);
    if (end === start) return frameTrailers(bytes, head, Buffer.concat(chunks), start);
    if (bytes.length < end + 2) return { state: 'partial', head, body: Buffer.concat([...chunks, bytes.subarray(start, end)]) };
    if (bytes.toString('latin1', end, end + 2) !== '\r\n') return { state: 'broken', problem: 'a chunk longer than its size' };
    chunks.push(bytes.subarray(start, end));
    at = end + 2;
  }
}

function frameTrailers(bytes: Buffer, head: string, body: Buffer, start: number): Framed {
  const none = bytes.toString('latin1', start, start + 2) === '\r\n';
  const end = none ? start + 2 : bytes.indexOf('\r\n\r\n', start) + 4;
  if (end < start + 2) return { state: 'partial', head, body };
  const trailers = none ? '' : bytes.toString('latin1', start, end - 2);
  return { state: 'whole', request: { head, body, trailers, raw: bytes.subarray(0, end) }, rest: bytes.subarray(end) };
}
