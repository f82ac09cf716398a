/** A WebSocket server (RFC 6455) that echoes messages: enough of it for a real client to be satisfied. */

import { createHash } from 'node:crypto';
import type { Socket } from 'node:net';
import { fieldLines } from './message-framing.ts';

const GUID = '258EAFA5-E914-47DA-95CA-C5AB0DC85B11';

/** The 101 to a handshake. */
export function acceptWebSocket(head: string): string {
  const [key = ''] = fieldLines(head, 'sec-websocket-key');
  const accept = createHash('sha1')
    .update(key + GUID)
    .digest('base64');
  return `HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Accept: ${accept}\r\n\r\n`;
}

/** Echoes data frames, answers a close frame and ends. */
export function echoFrames(socket: Socket, onClose: (code: number) => void = () => {}): void {
  let pending = Buffer.alloc(0);
  socket.on('data', (chunk: Buffer) => {
    pending = Buffer.concat([pending, chunk]);
    for (let frame = readFrame(pending); frame !== undefined; frame = readFrame(pending)) {
      pending = pending.subarray(frame.size);
      if (!socket.write(frameOf(frame.first, frame.payload))) {
        socket.pause();
        socket.once('drain', () => socket.resume());
      }
      if ((frame.first & 0x0f) !== 8) continue;
      onClose(frame.payload.readUInt16BE(0));
      return void socket.end();
    }
  });
}

/** A frame as a server sends it: not masked. */
export function frameOf(first: number, payload: Uint8Array): Buffer {
  const { length } = payload;
  if (length < 126) return Buffer.concat([Buffer.from([first, length]), payload]);
  const head = Buffer.alloc(length < 65_536 ? 4 : 10);
  head[0] = first;
  head[1] = length < 65_536 ? 126 : 127;
  if (length < 65_536) head.writeUInt16BE(length, 2);
  else head.writeBigUInt64BE(BigInt(length), 2);
  return Buffer.concat([head, payload]);
}

interface Frame {
  /** FIN and the opcode. */
  readonly first: number;
  readonly payload: Buffer;
  /** Bytes of all of it. */
  readonly size: number;
}

/** A frame of a client, unmasked; `undefined` while it is not whole. */
function readFrame(bytes: Buffer): Frame | undefined {
  if (bytes.length < 2) return undefined;
  const short = (bytes[1] as number) & 0x7f;
  const maskAt = short < 126 ? 2 : short === 126 ? 4 : 10;
  if (bytes.length < maskAt + 4) return undefined;
  const length = short < 126 ? short : short === 126 ? bytes.readUInt16BE(2) : Number(bytes.readBigUInt64BE(2));
  const size = maskAt + 4 + length;
  if (bytes.length < size) return undefined;
  const payload = Buffer.from(bytes.subarray(maskAt + 4, size));
  for (let i = 0; i < length; i += 1) payload[i] = (payload[i] as number) ^ (bytes[maskAt + (i & 3)] as number);
  return { first: bytes[0] as number, payload, size };
}
