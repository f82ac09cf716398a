/**
 * Somebody asks for what load balancers and monitors ask for, in spellings that lenient servers take for the same, and says to be one of them
 * (GHSA-5hvv-m4w4-gf6v): hoping for a path past the authentication, or to the metrics.
 */

import { afterEach, describe, expect, test } from '@jest/globals';
import { type Scene, secretHash, startScene } from '../helpers/broker.ts';
import { request } from '../helpers/http-client.ts';
import { sendRaw } from '../helpers/raw-client.ts';

let scene: Scene;
afterEach(() => scene.close());

const PATHS = ['/livez', '/readyz', '/metrics', '/healthz', '/health', '/ping', '/ready', '/-/healthy', '/status', '/favicon.ico', '/'];
const PROBES = ['kube-probe/1.33', 'Prometheus/3.0', 'ELB-HealthChecker/2.0', 'GoogleHC/1.0', 'Envoy/HC', 'Consul Health Check'];

/** The same path to whoever folds case, decodes, merges slashes or drops what is behind. */
function spellings(path: string): string[] {
  const first = path.charCodeAt(1) || 0x2f;
  const encoded = `/%${first.toString(16)}${path.slice(2)}`;
  return [
    path.toUpperCase(),
    `${path.slice(0, 2).toUpperCase()}${path.slice(2)}`,
    encoded,
    encoded.replace('%', '%25'),
    `${path}/`,
    `/${path}`,
    `${path};x`,
    `${path}%20`,
    `${path}.json`,
    `${path}%3F`,
  ].filter((spelling) => spelling !== path && spelling !== '//' && spelling !== '/');
}

async function start(): Promise<void> {
  scene = await startScene({
    route: { path: '/', callers: ['*'] },
    config: {
      listeners: {
        local: { address: '127.0.0.1:0', authenticate: ['basic', 'jwt'] },
        open: { address: '127.0.0.1:0', authenticate: ['anonymous'] },
      },
      callers: { billing: { basic: { passwordHash: await secretHash() } } },
      probes: { address: '127.0.0.1:0' },
    },
  });
}

const ask = async (listener: string, target: string, agent: string, method = 'GET') => {
  const head = `${method} ${target} HTTP/1.1\r\nHost: localhost\r\nUser-Agent: ${agent}\r\nX-Forwarded-For: 127.0.0.1\r\nConnection: close\r\n\r\n`;
  return (await sendRaw(scene.address(listener), head)).text;
};

describe('paths of probes', () => {
  test('B11 on a data listener they are paths like any other: nobody is let in by one, or by what it says to be', async () => {
    await start();
    for (const [index, target] of PATHS.flatMap((path) => [path, ...spellings(path)]).entries()) {
      const agent = PROBES[index % PROBES.length] as string;
      for (const method of ['GET', 'HEAD', 'OPTIONS']) expect(await ask('local', target, agent, method)).toMatch(/^HTTP\/1\.1 401 /);
      expect(await ask('open', target, agent)).toMatch(/^HTTP\/1\.1 403 /);
    }
    expect([scene.origin.requests.length, scene.authorizationServer.requests.length]).toEqual([0, 0]);
  });

  test('B11 whoever may call reaches the upstream by them', async () => {
    await start();
    for (const target of ['/livez', '/metrics', '/%6Divez', '/LIVEZ/'])
      expect((await request(`${scene.url()}${target}`, { user: 'billing:secret' })).text()).toBe('ok');
    expect(scene.origin.requests.map(({ target }) => target)).toEqual(['/livez', '/metrics', '/%6Divez', '/LIVEZ/']);
  });

  test.each(['admin', 'probes'])(
    'B11 on the address "%s" only the exact path answers, and no token or secret is in it',
    async (listener) => {
      await start();
      for (const path of ['/livez', '/readyz', '/metrics']) {
        expect(await ask(listener, path, 'curl/8')).toMatch(/^HTTP\/1\.1 200 /);
        expect(await ask(listener, `${path}?verbose`, 'curl/8')).toMatch(/^HTTP\/1\.1 200 /);
        const others = [
          ...spellings(path),
          `/.${path}`,
          `/x/..${path}`,
          `${path}#x`,
          `http://localhost${path}`,
          path.slice(1),
          `\\${path.slice(1)}`,
        ];
        for (const target of others) expect(await ask(listener, target, 'kube-probe/1.33')).toMatch(/^HTTP\/1\.1 40[04] /);
      }
      const said = await ask(listener, '/metrics', 'curl/8');
      expect(said).not.toContain('orders-secret');
    },
  );
});
