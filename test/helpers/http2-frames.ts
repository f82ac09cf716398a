/** A server that answers an HTTP/2 request with exactly the frames it is told to (RFC 9113 §4). */

import { createServer, type Socket } from 'node:net';

export const FRAME = { data: 0, headers: 1, reset: 3, settings: 4 } as const;

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
  const literals: Buffer[] = [];
  for (const text of fields) {
    const isName = literals.length % 2 === 0;
    literals.push(Buffer.concat([Buffer.from(isName ? [0, text.length] : [text.length]), Buffer.from(text, 'latin1')]));
  }
  return frame(FRAME.headers, END_HEADERS, stream, Buffer.concat([Buffer.from([0x88]), ...literals]));
}

/** An unsigned 32-bit number, as RST_STREAM carries it. */
export function code(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(value);
  return bytes;
}

/** @param answer frames for each request, by its stream */
export async function startFrameServer(answer: (stream: number) => readonly Buffer[]): Promise<{ url: string; close(): Promise<void> }> {
  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    sockets.add(socket);
    let pending = Buffer.alloc(0);
    let at = PREFACE_BYTES;
    socket.write(frame(FRAME.settings, 0, 0));
    socket
      .on('error', () => {})
      .on('data', (bytes: Buffer) => {
        pending = Buffer.concat([pending, bytes]);
        while (pending.length >= at + 9) {
          const next = at + 9 + pending.readUIntBE(at, 3);
          if (pending.length < next) return;
          const type = pending.readUInt8(at + 3);
          if (type === FRAME.settings && pending.readUInt8(at + 4) === 0) socket.write(frame(FRAME.settings, 1, 0));
          if (type === FRAME.headers) socket.write(Buffer.concat(answer(pending.readUInt32BE(at + 5))));
          at = next;
        }
      });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as { port: number };
  return {
    url: `http://127.0.0.1:${port}`,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        for (const socket of sockets) socket.destroy();
      }),
  };
}
