/** Proxies of the Node world, each with a server of its own beside this file; their packages are those of `bench/package.json`. */

import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import type { Place, Target } from './target.ts';

export const httpProxy3 = nodeProxy('http-proxy-3', 'http-proxy-3.mjs');
export const fastifyHttpProxy = nodeProxy('@fastify/http-proxy', 'fastify-http-proxy.mjs');

function nodeProxy(name: string, script: string): Target {
  return {
    name,
    get version() {
      return installedVersion(name);
    },
    async prepare({ setting, port, originPort, scheme }: Place) {
      const options = { port, origin: `${scheme}://127.0.0.1:${originPort}`, token: setting.token, caFile: setting.caFile };
      return [process.execPath, fileURLToPath(new URL(script, import.meta.url)), JSON.stringify(options)];
    },
  };
}

export function installedVersion(name: string): string | undefined {
  const manifest = new URL(`../node_modules/${name}/package.json`, import.meta.url);
  try {
    return JSON.parse(readFileSync(manifest, 'utf8')).version;
  } catch {
    return undefined;
  }
}
