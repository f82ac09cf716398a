/** The writing side of a connection: few writes, and always known whether the other side still takes what it is given. */

import type { Socket } from 'node:net';
import type { WriteMemory } from './write-memory.ts';

/** Up to here, where a write is never taken at once, copying bytes into one text costs less than one more piece in it. */
const COPIED_BYTES = 4 * 1024;

export class Outlet {
  readonly #socket: Socket;
  readonly #onRoom: () => void;
  readonly #memory: WriteMemory;
  #held = '';
  #full = false;
  /** Writes that will be told of once they have been taken. */
  #pending = 0;
  /** Those of TLS never are taken at once. */
  readonly #isSlow: boolean;

  /**
   * @param onRoom runs when the outlet has been full and is no more
   * @param memory of all outlets of one thread
   */
  constructor(socket: Socket, onRoom: () => void, memory: WriteMemory) {
    this.#socket = socket;
    this.#memory = memory;
    this.#onRoom = onRoom;
    this.#isSlow = 'encrypted' in socket;
  }

  /** While true the last bytes given are still being read from where they are: they must not change. */
  get full(): boolean {
    return this.#full;
  }

  /** Text (one character is one byte) that goes out with what follows in this turn of the event loop, or by itself at its end. */
  hold(text: string): void {
    if (this.#held === '') queueMicrotask(this.flush);
    this.#held += text;
  }

  text(text: string): void {
    const held = this.#held;
    this.#held = '';
    if (this.#isSlow) {
      this.#pending += 1;
      this.#socket.write(held + text, 'latin1', this.#onWritten);
    } else this.#socket.write(held + text, 'latin1');
    this.#settle();
  }

  /** `before` and `after` are the frame around the bytes. */
  bytes(bytes: Uint8Array, before = '', after = ''): void {
    if (this.#isSlow && bytes.length <= COPIED_BYTES) return this.text(before + latin1(bytes) + after);
    const socket = this.#socket;
    const head = this.#held + before;
    this.#held = '';
    const gathered = this.#isSlow ? undefined : this.#memory.gather(head, bytes, after);
    if (gathered !== undefined) {
      socket.write(gathered);
      if (socket.writableLength > 0) this.#memory.leave();
      return this.#settle();
    }
    if (head !== '' || after !== '') socket.cork();
    if (head !== '') socket.write(head, 'latin1');
    this.#pending += 1;
    socket.write(bytes, this.#onWritten);
    if (after !== '') socket.write(after, 'latin1');
    if (head !== '' || after !== '') socket.uncork();
    this.#settle();
  }

  readonly flush = (): void => {
    if (this.#held !== '' && this.#socket.writable) this.text('');
  };

  /** Most short writes are taken at once, and a callback for each costs a tick: only behind one that was not, one is put in line. */
  #settle(): void {
    this.#full = this.#socket.writableLength > 0;
    // Behind the end nothing may be written, and nobody waits for room.
    if (!this.#full || this.#pending > 0 || !this.#socket.writable) return;
    this.#pending = 1;
    this.#socket.write('', 'latin1', this.#onWritten);
  }

  readonly #onWritten = (): void => {
    this.#pending -= 1;
    if (!this.#full) return;
    this.#settle();
    if (!this.#full) this.#onRoom();
  };
}

function latin1(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('latin1');
}
