/** Hears all that a Redis of the tests is told, and complains when something confidential was in it. */

import { connect as connectTcp, type Socket } from 'node:net';
import { type ConnectionOptions, connect as connectTls } from 'node:tls';
import { createCanaries } from './canaries.ts';

/** Shorter texts would be found by chance. */
const SHORTEST = 6;
/** From here on, disguised ones would not. */
const SHORTEST_DISGUISED = 12;
const AGAIN_AFTER_MS = 20;

/** What the brokers and authorization servers of this test file were given, and what it is. */
const confidential = new Map<string, string>();

/** From now on no Redis may be told any text in it, however deep. */
export function confide<T>(what: string, value: T): T {
  if (typeof value === 'string' && value.length >= SHORTEST) confidential.set(value, what);
  if (typeof value === 'object' && value !== null) for (const each of Object.values(value)) confide(what, each);
  return value;
}

/** The same for the `tokens` of a config, and their names. */
export function confideTokens<Tokens>(tokens: Tokens): Tokens {
  if (typeof tokens === 'object' && tokens !== null) confide('the name of a token', Object.keys(tokens));
  return confide('of the config of a token', tokens);
}

export interface Eavesdropper {
  /** Resolves once it hears everything; after the server was started again: once it does so again. */
  listening(): Promise<void>;
  /** Hears what is on its way still, and leaves. Rejects, naming kinds and no texts, when something confidential was heard. */
  finish(): Promise<void>;
}

export interface Login {
  readonly port: number;
  readonly password?: string | undefined;
  readonly tls?: ConnectionOptions | undefined;
}

/** Listens by `MONITOR`, on a connection that it makes anew whenever it is lost. */
export function eavesdrop(login: Login): Eavesdropper {
  const words = new Set<string>();
  let leaving = false;
  let socket: Socket;
  let begun = Promise.withResolvers<void>();
  const again = () => {
    let hears = false;
    socket = listen(login, words, () => {
      hears = true;
      begun.resolve();
    });
    socket.on('close', () => {
      if (hears) begun = Promise.withResolvers();
      if (!leaving) setTimeout(again, AGAIN_AFTER_MS);
    });
  };
  again();
  return {
    listening: () => begun.promise,
    async finish() {
      leaving = true;
      if (!socket.destroyed) {
        const closed = new Promise((resolve) => socket.on('close', resolve));
        // Answered after everything that was said before.
        socket.write('RESET\r\n');
        await closed;
      }
      const found = search(words);
      if (found.length > 0) throw new Error(`C11 Redis was told what it must not know: ${found.join(', ')}`);
    },
  };
}

function listen({ port, password, tls }: Login, words: Set<string>, begun: () => void): Socket {
  const socket = tls === undefined ? connectTcp(port, '127.0.0.1') : connectTls({ host: '127.0.0.1', port, ...tls });
  let rest = '';
  let open = password === undefined ? 1 : 2;
  const hear = (line: string) => {
    if (line.startsWith('-') || line === '+RESET') socket.destroy();
    else if (line === '+OK' && --open === 0) begun();
    // Each word once: most of what is said are the same few scripts.
    else for (const [, word] of line.matchAll(/"((?:[^"\\]|\\.)*)"/g)) words.add(word as string);
  };
  socket.setEncoding('latin1').on('error', () => undefined);
  socket.on('data', (text: string) => {
    rest += text;
    if (!text.includes('\n')) return;
    const lines = rest.split('\r\n');
    rest = lines.pop() as string;
    for (const line of lines) hear(line);
  });
  if (password !== undefined) socket.write(command('AUTH', password));
  socket.write(command('MONITOR'));
  return socket;
}

function command(...words: string[]): string {
  return `*${words.length}\r\n${words.map((word) => `$${Buffer.byteLength(word)}\r\n${word}\r\n`).join('')}`;
}

function search(words: ReadonlySet<string>): string[] {
  const text = [...words].join('\n');
  const found = new Set<string>();
  const stems = new Set<string>();
  for (const [secret, what] of confidential) {
    if (text.includes(secret)) found.add(what);
    // Of thousands that differ in their number, a disguise of one is telling enough.
    const stem = secret.replace(/\d+$/, '');
    if (secret.length < SHORTEST_DISGUISED || stems.has(stem)) continue;
    stems.add(stem);
    const canaries = createCanaries();
    canaries.watch(what, secret);
    // Its pieces are those of a path, too: "token-broker".
    for (const { form } of canaries.find(text)) if (form !== 'plain') found.add(`${what} (${form})`);
  }
  return [...found];
}
