/** The broker as its users run it: the bundle, a Basic caller, a cached token, metrics on. */

import { randomBytes, scryptSync } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { projectRoot } from '../../scripts/find-tool.mjs';
import { V8_OPTIONS } from '../../scripts/v8-options.mjs';
import { CALLER } from '../load/workload.ts';
import { freePort, type Place, type Target } from './target.ts';

export const BUNDLE = join(projectRoot, 'dist', 'token-broker.js');

/** @param bundle another one may be measured beside ours */
export function broker(name = 'broker', bundle = BUNDLE): Target {
  const { version } = JSON.parse(readFileSync(join(projectRoot, 'package.json'), 'utf8'));
  return {
    name,
    version,
    async prepare(place) {
      const file = join(place.folder, 'sidecar.config.json');
      await writeFile(file, JSON.stringify(await configOf(place)), { mode: 0o600 });
      return [process.execPath, ...V8_OPTIONS, bundle, 'start', '-c', file];
    },
  };
}

async function configOf({ setting, port, originPort, scheme, accessLog, http2 }: Place): Promise<object> {
  return {
    listeners: {
      local: {
        address: `127.0.0.1:${port}`,
        authenticate: ['basic'],
        limits: { maxConnections: 20_000 },
        ...(http2 && { protocols: ['http/1.1', 'h2c'] }),
      },
    },
    callers: { [CALLER.name]: { basic: { passwordHash: scryptHash(CALLER.password) } } },
    authorizationServers: { raw: { tokenEndpoint: setting.tokenEndpoint } },
    tokens: {
      api: {
        authorizationServer: 'raw',
        grant: 'client_credentials',
        clientId: 'bench',
        clientAuthentication: { secret: { unsafeInline: 'bench-secret' } },
      },
    },
    routes: {
      api: {
        path: '/',
        callers: [CALLER.name],
        token: 'api',
        upstream: `${scheme}://127.0.0.1:${originPort}`,
        ...(scheme === 'https' && { upstreamTls: { ca: { fromFile: setting.caFile } } }),
      },
    },
    admin: { address: `127.0.0.1:${await freePort()}` },
    log: { access: accessLog },
    shutdown: { grace: '0s' },
  };
}

function scryptHash(password: string): string {
  const salt = randomBytes(16);
  const hash = scryptSync(password, salt, 32, { N: 2 ** 15, r: 8, p: 1, maxmem: 64 * 1024 ** 2 });
  const encoded = [salt, hash].map((bytes) => bytes.toString('base64').replaceAll('=', ''));
  return `$scrypt$ln=15,r=8,p=1$${encoded.join('$')}`;
}
