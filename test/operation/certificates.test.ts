/** The ends of the broker's own certificates, as those who run it see them. */

import { writeFile } from 'node:fs/promises';
import { afterEach, beforeAll, expect, test } from '@jest/globals';
import type { BrokerStatus } from '../../src/admin/status.ts';
import { Secret } from '../../src/config/secret.ts';
import { Certificates } from '../../src/operation/certificates.ts';
import { createLog } from '../../src/telemetry/log.ts';
import { startBroker, type TestBroker } from '../helpers/broker.ts';
import { type Authority, createAuthority, type Identity } from '../helpers/certificates.ts';
import { FakeClock } from '../helpers/fake-clock.ts';
import { request } from '../helpers/http-client.ts';

const DAY_MS = 86_400_000;
let authority: Authority;
let started: TestBroker | undefined;

beforeAll(async () => {
  authority = await createAuthority();
});
afterEach(async () => {
  await started?.close();
  started = undefined;
});

const issued = (notBeforeAt: number, notAfterAt: number): Promise<Identity> =>
  authority.issueServer({ validity: { notBeforeAt, notAfterAt } });

test('are in the status and in the metrics, and follow a file that is replaced', async () => {
  const today = Math.floor(Date.now() / DAY_MS) * DAY_MS;
  const [ending, renewed] = [await issued(today - 360 * DAY_MS, today + 5 * DAY_MS), await issued(today - DAY_MS, today + 364 * DAY_MS)];
  started = await startBroker(
    {
      listeners: {
        mesh: {
          address: '127.0.0.1:0',
          authenticate: ['mtls'],
          tls: {
            cert: { fromFile: 'server.crt' },
            key: { fromFile: 'server.key' },
            clientCa: { unsafeInline: authority.certificate },
          },
        },
      },
    },
    { 'server.crt': ending.cert, 'server.key': ending.key },
  );
  const status = async () => ((await request(`${started?.url('admin')}/status`)).json() as BrokerStatus).certificates;
  const certificate = (state: string, notAfterAt: number) =>
    expect.objectContaining({ key: 'listeners.mesh.tls.cert', state, notAfter: new Date(notAfterAt).toISOString() });
  expect(await status()).toEqual([certificate('ending', today + 5 * DAY_MS)]);
  const label = '{certificate="listeners.mesh.tls.cert"}';
  expect(await started.metrics()).toContain(`token_broker_certificate_not_after_seconds${label} ${today / 1000 + 5 * 86_400}\n`);
  expect(await started.metrics()).toContain(`token_broker_certificate_not_before_seconds${label} ${today / 1000 - 360 * 86_400}\n`);

  await writeFile(started.path('server.key'), renewed.key);
  await writeFile(started.path('server.crt'), renewed.cert);

  while ((await status())[0]?.state !== 'good') await new Promise((resolve) => setTimeout(resolve, 20));
  expect(await status()).toEqual([certificate('good', today + 364 * DAY_MS)]);
});

test('are told of once a day, louder when they have come', async () => {
  const clock = new FakeClock();
  const { cert } = await issued(clock.now() - 60 * DAY_MS, clock.now() + 13.5 * DAY_MS);
  const lines: Record<string, unknown>[] = [];
  const log = createLog('info', { write: (line: string) => void lines.push(JSON.parse(line)) });
  const certificate = new Secret({ unsafeInline: cert }, { confidential: false });
  const certificates = new Certificates({ routes: { api: { upstreamTls: { cert: certificate } } } }, clock, log);

  await clock.advance(DAY_MS / 2);
  expect(lines).toEqual([]);
  await clock.advance(14 * DAY_MS);

  const key = 'routes.api.upstreamTls.cert';
  expect(lines.slice(0, -1)).toEqual(
    Array.from({ length: 13 }, () => expect.objectContaining({ level: 'warn', certificate: key, msg: 'a certificate ends soon' })),
  );
  expect(lines.at(-1)).toMatchObject({ level: 'error', certificate: key, msg: 'a certificate has ended' });
  certificates.close();
  expect(clock.timers).toBe(0);
});

test('cost nothing where there are none', () => {
  const clock = new FakeClock();
  expect(new Certificates({ routes: {} }, clock, createLog('info', { write() {} })).status()).toEqual([]);
  expect(clock.timers).toBe(0);
});
