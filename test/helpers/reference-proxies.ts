/** nginx and HAProxy, where they are installed, as servers behind us: parsers that are not ours. */

import { type ChildProcess, spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { connect, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

export type ProxyName = 'nginx' | 'haproxy';

export interface ReferenceProxy {
  readonly port: number;
  close(): Promise<void>;
}

const CONFIGS: Record<ProxyName, (folder: string, port: number, behind: number) => string> = {
  nginx: (folder, port, behind) => `
daemon off; worker_processes 1; pid ${folder}/pid; error_log stderr crit;
events { worker_connections 256; }
http {
  access_log off; client_max_body_size 0; keepalive_requests 1000000; underscores_in_headers on; ignore_invalid_headers off;
  ${['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'].map((kind) => `${kind}_temp_path ${folder}/${kind};`).join(' ')}
  server {
    listen 127.0.0.1:${port};
    location / { proxy_pass http://127.0.0.1:${behind}; proxy_http_version 1.1; proxy_set_header Connection ""; }
  }
}
`,
  haproxy: (_folder, port, behind) => `
defaults
  mode http
  timeout client 10s
  timeout server 10s
  timeout connect 5s
frontend in
  bind 127.0.0.1:${port}
  default_backend out
backend out
  server behind 127.0.0.1:${behind}
`,
};

const ARGUMENTS: Record<ProxyName, (folder: string, file: string) => string[]> = {
  nginx: (folder, file) => ['-p', folder, '-e', 'stderr', '-c', file],
  haproxy: (_folder, file) => ['-f', file, '-db', '-q'],
};

/** @param behind the port of who gets the requests; gives `undefined` where the program is not installed */
export async function startReferenceProxy(name: ProxyName, behind: number): Promise<ReferenceProxy | undefined> {
  const program = ['/usr/sbin', '/usr/local/sbin', '/usr/bin', '/usr/local/bin'].map((folder) => join(folder, name)).find(existsSync);
  if (program === undefined) return undefined;
  const folder = await mkdtemp(join(tmpdir(), `token-broker-${name}-`));
  const port = await freePort();
  const file = join(folder, 'config');
  await writeFile(file, CONFIGS[name](folder, port, behind));
  const child = spawn(program, ARGUMENTS[name](folder, file), { stdio: 'ignore' });
  const exited = new Promise<void>((resolve) => child.once('exit', () => resolve()));
  await accepting(port, child);
  return {
    port,
    async close() {
      child.kill('SIGTERM');
      await exited;
      await rm(folder, { recursive: true, force: true });
    },
  };
}

async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as { port: number };
  await new Promise((resolve) => server.close(resolve));
  return port;
}

async function accepting(port: number, child: ChildProcess): Promise<void> {
  while (child.exitCode === null) {
    const socket = connect(port, '127.0.0.1');
    const opened = await new Promise<boolean>((resolve) => socket.once('connect', () => resolve(true)).once('error', () => resolve(false)));
    socket.destroy();
    if (opened) return;
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  throw new Error(`the proxy ended with ${child.exitCode} before it accepted connections`);
}
