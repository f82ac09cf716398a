/** The proxies of examples/ext-authz/ as their configs there say, with a broker and an upstream of a test in the place of those of the example. */

import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { parse } from 'yaml';
import { type Place, type ProxyProgram, startProxyProgram } from './proxy-program.ts';

export const ASKING_PROXIES = ['nginx', 'haproxy', 'envoy', 'caddy'] as const;
export type AskingProxy = (typeof ASKING_PROXIES)[number];

interface Around {
  /** Of the listener that is asked: `127.0.0.1:…`, for nginx `unix:/…` too. */
  readonly broker: string;
  /** The port of the upstream, on 127.0.0.1 and without TLS. */
  readonly upstream: number;
}

const PREPARE: Record<AskingProxy, (place: Place, around: Around) => Promise<string[]>> = {
  async nginx({ folder, port }, { broker, upstream }) {
    const temporary = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'].map((kind) => `${kind}_temp_path ${folder}/${kind};`);
    const file = await place(folder, 'nginx.conf', {
      'http {': `http { access_log off; ${temporary.join(' ')}`,
      '/dev/shm/nginx-token-broker': `${folder}/cache`,
      '127.0.0.1:8090': broker,
      '127.0.0.1:8000': `127.0.0.1:${port}`,
      'https://api.acme.example': `http://127.0.0.1:${upstream}`,
    });
    return ['-p', folder, '-e', 'stderr', '-c', file, '-g', `daemon off; pid ${folder}/pid; error_log stderr crit;`];
  },
  async haproxy({ folder, port }, { broker, upstream }) {
    const script = await place(folder, 'token-broker.lua', { '127.0.0.1:8090': broker });
    const file = await place(folder, 'haproxy.cfg', {
      '/etc/haproxy/token-broker.lua': script,
      '127.0.0.1:8000': `127.0.0.1:${port}`,
      'api.acme.example:443 ssl verify required ca-file /etc/ssl/certs/ca-certificates.crt sni str(api.acme.example) verifyhost api.acme.example': `127.0.0.1:${upstream}`,
    });
    return ['-f', file, '-db', '-q'];
  },
  async envoy({ folder, port }, { broker, upstream }) {
    const file = await place(folder, 'envoy.yaml', {
      'port_value: 8090': `port_value: ${broker.split(':')[1]}`,
      'port_value: 8000': `port_value: ${port}`,
      'address: api.acme.example, port_value: 443': `address: 127.0.0.1, port_value: ${upstream}`,
    });
    const config = parse(await readFile(file, 'utf8')) as { static_resources: { clusters: { transport_socket?: object }[] } };
    for (const cluster of config.static_resources.clusters) delete cluster.transport_socket;
    await writeFile(file, JSON.stringify(config));
    return ['-c', file, '--concurrency', '1', '--use-dynamic-base-id', '--log-level', 'error'];
  },
  async caddy({ folder, port }, { broker, upstream }) {
    const file = await place(folder, 'Caddyfile', {
      'http://:8000 {': `{\n\tadmin off\n}\n\nhttp://:${port} {`,
      '127.0.0.1:8090 {': `${broker} {`,
      'https://api.acme.example': `http://127.0.0.1:${upstream}`,
    });
    return ['run', '--config', file, '--adapter', 'caddyfile'];
  },
};

export async function startAskingProxy(name: AskingProxy, around: Around): Promise<ProxyProgram> {
  const proxy = await startProxyProgram(name, (where) => PREPARE[name](where, around));
  if (proxy === undefined) throw new Error(`${name} is not installed`);
  return proxy;
}

/** Writes a file of the examples with other values; gives its new place. */
async function place(folder: string, name: string, values: Readonly<Record<string, string>>): Promise<string> {
  let text = await readFile(new URL(`../../examples/ext-authz/${name}`, import.meta.url), 'utf8');
  for (const [written, value] of Object.entries(values)) {
    if (!text.includes(written)) throw new Error(`examples/ext-authz/${name} holds no "${written}"`);
    text = text.replaceAll(written, value);
  }
  const file = join(folder, name);
  await writeFile(file, text);
  return file;
}
