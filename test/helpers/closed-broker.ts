/** A broker in a process of its own that is closed, and what is left of it then. */

import { once } from 'node:events';
import { type AddressInfo, createServer, type Server, type Socket } from 'node:net';
import { fileURLToPath } from 'node:url';
import { expect } from '@jest/globals';
import { type BrokerProcess, spawnBroker } from './broker-process.ts';

const PROGRAM = fileURLToPath(new URL('./closing-program.ts', import.meta.url));
const RELOADING_PROGRAM = fileURLToPath(new URL('./reloading-program.ts', import.meta.url));

export type Config = Readonly<Record<string, unknown>>;

/** Does not wait: it may be meant to fail. Close it in the end, for where it does not end by itself. */
export function startToClose(config: Config): Promise<BrokerProcess> {
  return spawnBroker({
    program: PROGRAM,
    nodeArgs: ['--expose-gc'],
    config: { listeners: { local: { address: '127.0.0.1:0', authenticate: ['anonymous'] } }, log: { level: 'debug' }, ...config },
  });
}

/** Has its config followed by others at SIGUSR2, says what is left of them (`reloaded`), and ends. */
export function startToReload(config: Config, files: Readonly<Record<string, string>>): Promise<BrokerProcess> {
  return spawnBroker({ program: RELOADING_PROGRAM, nodeArgs: ['--expose-gc'], config, files });
}

/** A TLS handshake under way cannot be told to stop, in Node's server, undici and node-redis: its own time limit ends it. */
export const HANDSHAKE = ['TCPSocketWrap'];
/** Nor can the pause of a client of many servers before it connects again. */
export const CLIENT_OF_MANY = ['TCPSocketWrap', 'TCPConnectWrap', 'Timeout'];

/** Nobody ends the process but itself, and nothing of the broker is left in it but, for a while, what `mayHold` says. */
export async function expectEnd(broker: BrokerProcess, mayHold: readonly string[] = []): Promise<void> {
  const { held } = await broker.logged('closed');
  expect(mayHold).toEqual(expect.arrayContaining(held as string[]));
  expect(await broker.exited).toEqual({ code: 0, signal: null });
  expect(broker.stderr()).toBe('');
  const said = broker.log().slice(broker.log().findIndex(({ msg }) => msg === 'closed') + 1);
  expect(said).toEqual([{ msg: 'collected', whole: mayHold.length === 0 || expect.any(Boolean) }]);
}

/** The same for one that is running still. */
export async function expectEndOnceClosed(broker: BrokerProcess, mayHold?: readonly string[]): Promise<void> {
  await broker.logged('ready');
  broker.signal('SIGUSR2');
  await expectEnd(broker, mayHold);
}

export interface SilentServer {
  readonly server: Server;
  readonly address: string;
  close(): void;
}

/** Takes connections and never says anything. */
export async function startSilentServer(): Promise<SilentServer> {
  const sockets = new Set<Socket>();
  const server = createServer((socket) => void sockets.add(socket.on('error', () => undefined).resume()));
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const close = () => {
    for (const socket of sockets) socket.destroy();
    server.close();
  };
  return { server, address: `127.0.0.1:${(server.address() as AddressInfo).port}`, close };
}
