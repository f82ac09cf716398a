/** nginx and HAProxy, where they are installed, as servers behind us: parsers that are not ours. */

import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type ProxyProgram, startProxyProgram } from './proxy-program.ts';

export type ProxyName = 'nginx' | 'haproxy';

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
export function startReferenceProxy(name: ProxyName, behind: number): Promise<ProxyProgram | undefined> {
  return startProxyProgram(name, async ({ folder, port }) => {
    const file = join(folder, 'config');
    await writeFile(file, CONFIGS[name](folder, port, behind));
    return ARGUMENTS[name](folder, file);
  });
}
