/** Binding a server to an address, and saying where it ended up. */

import { chmod, lstat, unlink } from 'node:fs/promises';
import { connect, type Server } from 'node:net';
import type { Address } from '../config/schema/values.ts';

/** Resolves to the bound address as text: `127.0.0.1:8080`, `[::1]:8080`, `unix:/path`. Rejects with Node's error. */
export async function bind(server: Server, address: Address, mode?: string): Promise<string> {
  if (address.kind === 'unix') await removeStaleSocket(address.path);
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    const done = () => {
      server.off('error', reject);
      resolve();
    };
    if (address.kind === 'unix') server.listen({ path: address.path }, done);
    else server.listen({ host: address.host, port: address.port }, done);
  });
  if (address.kind === 'unix' && mode !== undefined) await chmod(address.path, Number.parseInt(mode, 8));
  return boundAddress(server);
}

function boundAddress(server: Server): string {
  const bound = server.address();
  if (bound === null) return '';
  if (typeof bound === 'string') return `unix:${bound}`;
  return bound.family === 'IPv6' ? `[${bound.address}]:${bound.port}` : `${bound.address}:${bound.port}`;
}

/** A socket file that refuses connections was left by a crash. Whoever is too busy for one is alive, and anything else is not ours to remove. */
async function removeStaleSocket(path: string): Promise<void> {
  const found = await lstat(path).catch(() => undefined);
  if (!found?.isSocket()) return;
  const probe = connect(path);
  const refused = await new Promise<boolean>((resolve) => {
    probe
      .once('connect', () => resolve(false))
      .once('error', ({ code }: NodeJS.ErrnoException) => resolve(code === 'ECONNREFUSED'))
      .setTimeout(1_000, () => resolve(false));
  });
  probe.destroy();
  if (refused) await unlink(path);
}
