/** Frames of HTTP/2 written by hand (RFC 9113 §4), and a server that answers a request with exactly those it is told to. */

import { createServer, type Socket } from 'node:net';

export const FRAME = {
  data: 0,
  headers: 1,
  priority: 2,
  reset: 3,
  settings: 4,
  pushPromise: 5,
  ping: 6,
  goaway: 7,
  windowUpdate: 8,
  continuation: 9,
} as const;

const PREFACE_BYTES = 24;
const END_HEADERS = 4;

export function frame(type: number, flags: number, stream: number, payload: Uint8Array = Buffer.alloc(0)): Buffer {
  const head = Buffer.alloc(9);
  head.writeUIntBE(payload.length, 0, 3);
  head.writeUInt8(type, 3);
  head.writeUInt8(flags, 4);
  head.writeUInt32BE(stream, 5);
  return Buffer.concat([head, payload]);
}

/** `:status: 200` of the static table (RFC 7541), and literal fields. */
export function head200(stream: number, fields: readonly string[] = []): Buffer {
  return frame(FRAME.headers, END_HEADERS, stream, Buffer.concat([Buffer.from([0x88]), literalFields(fields)]));
}

/** Name, value, name, value, … as literals without indexing and without Huffman (RFC 7541 §6.2.2). */
export function literalFields(fields: readonly string[]): Buffer {
  const pieces = fields.map((text, i) =>
    Buffer.concat([Buffer.from(i % 2 === 0 ? [0] : []), integer7(text.length), Buffer.from(text, 'latin1')]),
  );
  return Buffer.concat(pieces);
}

/** RFC 7541 §5.1, with a prefix of 7 bits. */
function integer7(value: number): Buffer {
  if (value < 127) return Buffer.from([value]);
  const bytes = [127];
  let left = value - 127;
  for (; left >= 128; left = Math.floor(left / 128)) bytes.push((left % 128) + 128);
  return Buffer.from([...bytes, left]);
}

/** An unsigned 32-bit number, as RST_STREAM carries it. */
export function code(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(value);
  return bytes;
}

/** What has come of a request: its stream, the frame of its head, and the connection. */
type Answer = (stream: number, head: Buffer, socket: Socket) => readonly Buffer[];

export interface FrameServer {
  readonly url: string;
  readonly sockets: ReadonlySet<Socket>;
  close(): Promise<void>;
}

/** @param answer frames for each request; @param opening what each connection is told first */
export async function startFrameServer(
  answer: Answer,
  opening: (socket: Socket) => Buffer = () => frame(FRAME.settings, 0, 0),
): Promise<FrameServer> {
  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    sockets.add(socket);
    let pending = Buffer.alloc(0);
    let at = PREFACE_BYTES;
    const first = opening(socket);
    socket.write(first);
    socket
      .on('error', () => {})
      .on('close', () => sockets.delete(socket))
      .on('data', (bytes: Buffer) => {
        pending = Buffer.concat([pending, bytes]);
        while (pending.length >= at + 9) {
          const next = at + 9 + pending.readUIntBE(at, 3);
          if (pending.length < next) break;
          const type = pending.readUInt8(at + 3);
          if (type === FRAME.settings && pending.readUInt8(at + 4) === 0) socket.write(frame(FRAME.settings, 1, 0));
          const whole = pending.subarray(at, next);
          if (type === FRAME.headers) socket.write(Buffer.concat(answer(whole.readUInt32BE(5), whole, socket)));
          at = next;
        }
        if (pending.length >= at) {
          pending = pending.subarray(at);
          at = 0;
        }
      });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as { port: number };
  return {
    url: `http://127.0.0.1:${port}`,
    sockets,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        for (const socket of sockets) socket.destroy();
      }),
  };
}
