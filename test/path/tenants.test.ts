/** Many tenants through one process: nobody ever gets what is another's. */

import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { expect, test } from '@jest/globals';
import { hashPassword } from '../../src/password-hash.ts';
import { startBroker } from '../helpers/broker.ts';
import { keepAlive, request } from '../helpers/http-client.ts';
import { scaled } from '../helpers/scale.ts';

const TENANTS = ['acme', 'globex'] as const;
const CONCURRENT = 200;

/** A server that keeps nothing of what it has seen, so that it can be asked very often. */
async function listening(answer: (authorization: string) => Promise<string> | string): Promise<{ url: string; close(): Promise<void> }> {
  const server = createServer((asked, reply) => {
    asked.resume();
    reply.setHeader('content-type', 'application/json');
    void Promise.resolve(answer(asked.headers.authorization ?? '')).then((text) => reply.end(text));
  });
  await new Promise<void>((resolve) => void server.listen(0, '127.0.0.1', resolve));
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    close: () => new Promise((resolve) => void server.close(() => resolve()).closeAllConnections()),
  };
}

test('C02 two tenants, two hundred requests each at any time: no origin ever sees a token of the other', async () => {
  const perTenant = scaled(2_000, 50_000);
  let grants = 0;
  const authorizationServer = await listening(async (authorization) => {
    const client = Buffer.from(authorization.replace('Basic ', ''), 'base64').toString().split(':')[0];
    grants += 1;
    const number = grants;
    await sleep(Math.random() * 50);
    // Short-lived, so that renewals go on while the requests do.
    return JSON.stringify({ access_token: `${client}-${number}`, token_type: 'Bearer', expires_in: 1 });
  });
  const wrong: string[] = [];
  const seen = { acme: 0, globex: 0 };
  const origins = await Promise.all(
    TENANTS.map((tenant) =>
      listening((authorization) => {
        seen[tenant] += 1;
        if (!new RegExp(`^Bearer ${tenant}-\\d+$`).test(authorization)) wrong.push(`${tenant} saw ${authorization}`);
        return tenant;
      }),
    ),
  );
  const passwordHash = await hashPassword('secret');
  const perName = <Value>(value: (tenant: (typeof TENANTS)[number], index: number) => Value) =>
    Object.fromEntries(TENANTS.map((tenant, index) => [tenant, value(tenant, index)]));
  const broker = await startBroker({
    listeners: { local: { address: '127.0.0.1:0', authenticate: ['basic'] } },
    callers: perName(() => ({ basic: { passwordHash } })),
    authorizationServers: { as: { tokenEndpoint: `${authorizationServer.url}/token` } },
    tokens: perName((clientId) => ({
      authorizationServer: 'as',
      grant: 'client_credentials',
      clientId,
      clientAuthentication: { secret: { unsafeInline: 'the same secret' } },
      scope: 'orders',
    })),
    // One path for both: only who is calling decides.
    routes: perName((tenant, index) => ({ path: '/api', callers: [tenant], token: tenant, upstream: origins[index]?.url })),
    log: { level: 'warn' },
  });
  const agent = keepAlive(TENANTS.length * CONCURRENT);
  const failed: string[] = [];
  let refused = 0;
  await Promise.all(
    TENANTS.flatMap((tenant) =>
      Array.from({ length: CONCURRENT }, async () => {
        for (let i = 0; i < perTenant / CONCURRENT; i += 1) {
          const answer = await request(`${broker.url()}/api/x`, { user: `${tenant}:secret`, agent });
          // On a machine so busy that a token of a second ends on its way here, there is none to be had: a refusal, never another's.
          if (answer.status === 503) refused += 1;
          else if (answer.status !== 200 || answer.text() !== tenant) failed.push(`${tenant} got ${answer.status} ${answer.text()}`);
        }
      }),
    ),
  );
  agent.destroy();
  await broker.close();
  await Promise.all([authorizationServer, ...origins].map((server) => server.close()));
  expect({ wrong, failed }).toEqual({ wrong: [], failed: [] });
  expect(seen.acme + seen.globex + refused).toBe(2 * perTenant);
  expect(refused).toBeLessThan(perTenant);
  expect(grants).toBeGreaterThanOrEqual(TENANTS.length);
});
