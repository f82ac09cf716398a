/** The ends of certificates and revocation lists of the config, as those who run it see them. */

import { writeFile } from 'node:fs/promises';
import { afterEach, beforeAll, expect, test } from '@jest/globals';
import type { BrokerStatus } from '../../src/admin/status.ts';
import { Secret } from '../../src/config/secret.ts';
import { Certificates } from '../../src/operation/certificates.ts';
import { createLog, type Log } from '../../src/telemetry/log.ts';
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

const open = (value: string) => new Secret({ unsafeInline: value }, { confidential: false });

test('are in the status and in the metrics, and follow a file that is replaced', async () => {
  const today = Math.floor(Date.now() / DAY_MS) * DAY_MS;
  const [ending, renewed] = [await issued(today - 360 * DAY_MS, today + 5 * DAY_MS), await issued(today - DAY_MS, today + 364 * DAY_MS)];
  const list = { thisUpdateAt: today - 7 * DAY_MS, nextUpdateAt: today - DAY_MS };
  const ca = { notBeforeAt: today - 3000 * DAY_MS, notAfterAt: today + 13 * DAY_MS };
  const tls = {
    cert: { fromFile: 'server.crt' },
    key: { fromFile: 'server.key' },
    clientCa: { fromFile: 'ca.crt' },
    crl: { fromFile: 'clients.crl' },
  };
  started = await startBroker(
    { listeners: { mesh: { address: '127.0.0.1:0', authenticate: ['mtls'], tls } } },
    {
      'server.crt': ending.cert,
      'server.key': ending.key,
      'ca.crt': (await authority.renewed(ca)).certificate,
      'clients.crl': await authority.revocationList([], list),
    },
  );
  const status = async () => ((await request(`${started?.url('admin')}/status`)).json() as BrokerStatus).certificates;
  const iso = (at: number) => new Date(at).toISOString();
  const certificate = (key: string, state: string, [from, late, to]: [number, number, number], effect: string) => ({
    key: `listeners.mesh.tls.${key}`,
    otherKeys: [],
    state,
    notBefore: iso(from),
    endingFrom: iso(late),
    notAfter: iso(to),
    effect,
  });
  const others = [
    certificate('clientCa', 'ending', [ca.notBeforeAt, today - DAY_MS, ca.notAfterAt], 'no caller with a certificate gets in'),
    certificate(
      'crl',
      'ended',
      [list.thisUpdateAt, today - 1.3 * DAY_MS, list.nextUpdateAt],
      'no caller with a certificate of its CA gets in',
    ),
  ];
  const before: [number, number, number] = [today - 360 * DAY_MS, today - 9 * DAY_MS, today + 5 * DAY_MS];
  expect(await status()).toEqual([certificate('cert', 'ending', before, 'others refuse it'), ...others]);
  const metrics = await started.metrics();
  for (const [index, edge] of ['not_before', 'ending', 'not_after'].entries())
    expect(metrics).toContain(
      `token_broker_certificate_${edge}_seconds{certificate="listeners.mesh.tls.cert"} ${(before[index] as number) / 1000}\n`,
    );
  expect(metrics).toContain(
    `token_broker_certificate_not_after_seconds{certificate="listeners.mesh.tls.crl"} ${list.nextUpdateAt / 1000}\n`,
  );

  await writeFile(started.path('server.key'), renewed.key);
  await writeFile(started.path('server.crt'), renewed.cert);
  await writeFile(started.path('clients.crl'), await authority.revocationList([], { ...list, nextUpdateAt: 'none' }));

  while ((await status()).some(({ state, key }) => state !== 'good' && !key.endsWith('clientCa')))
    await new Promise((resolve) => setTimeout(resolve, 20));
  expect((await status()).map(({ notAfter }) => notAfter)).toEqual([
    iso(today + 364 * DAY_MS),
    iso(ca.notAfterAt),
    '9999-12-31T23:59:59.000Z',
  ]);
});

/** What a log is told while that config runs for some days on a clock of ours. @param change what becomes of it right after the start */
async function linesOf(
  config: (now: number) => Promise<object>,
  days: number,
  change: (now: number) => Promise<void> = async () => {},
): Promise<Record<string, unknown>[]> {
  const clock = new FakeClock();
  const lines: Record<string, unknown>[] = [];
  const startedAt = clock.now();
  const log: Log = createLog('info', {
    write: (line: string) => void lines.push({ ...JSON.parse(line), day: (clock.now() - startedAt) / DAY_MS }),
  });
  const certificates = new Certificates(await config(clock.now()), clock, log);
  await change(clock.now());
  await clock.advance(days * DAY_MS);
  certificates.close();
  expect(clock.timers).toBe(0);
  return lines;
}

test('are told of once a day, louder when they have come', async () => {
  const lines = await linesOf(async (now) => {
    const { cert } = await issued(now - 60 * DAY_MS, now + 13.5 * DAY_MS);
    return { routes: { api: { upstreamTls: { cert: open(cert) } } } };
  }, 15);

  const about = { certificate: 'routes.api.upstreamTls.cert', effect: 'others refuse it' };
  const soon = { ...about, level: 'warn', msg: 'a certificate or revocation list ends soon' };
  const ended = { ...about, level: 'error', msg: 'a certificate or revocation list has ended' };
  expect(lines).toEqual([
    ...Array.from({ length: 13 }, (_, index) => expect.objectContaining({ ...soon, day: index + 1 })),
    expect.objectContaining({ ...ended, day: 13.5 }),
    expect.objectContaining({ ...ended, day: 14.5 }),
  ]);
});

test('are told of when they come before their time, once a day until that has come', async () => {
  const secret = open('');
  const lines = await linesOf(
    async (now) => {
      secret.fill((await issued(now - 60 * DAY_MS, now + 300 * DAY_MS)).cert);
      return { routes: { api: { upstreamTls: { cert: secret } } } };
    },
    3,
    async (now) => secret.fill((await issued(now + 1.5 * DAY_MS, now + 300 * DAY_MS)).cert),
  );

  const told = {
    certificate: 'routes.api.upstreamTls.cert',
    effect: 'others refuse it',
    level: 'error',
    msg: 'a certificate or revocation list is not good yet',
  };
  const looked = 600_000 / DAY_MS;
  expect(lines).toEqual([expect.objectContaining({ ...told, day: looked }), expect.objectContaining({ ...told, day: 1 + looked })]);
});

test('B08 are told of before a revocation list of a day has ended, and when it has', async () => {
  const lines = await linesOf(async (now) => {
    const crl = await authority.revocationList([], { thisUpdateAt: now, nextUpdateAt: now + DAY_MS });
    return { listeners: { mesh: { tls: { crl: open(crl) } } } };
  }, 1.5);

  const about = { certificate: 'listeners.mesh.tls.crl', effect: 'no caller with a certificate of its CA gets in' };
  expect(lines).toEqual([
    expect.objectContaining({ ...about, level: 'warn', msg: 'a certificate or revocation list ends soon' }),
    expect.objectContaining({ ...about, level: 'error', msg: 'a certificate or revocation list has ended', day: 1 }),
  ]);
});

test('are told of once where many keys name one file, with how many', async () => {
  const { certificate } = await authority.renewed({ notBeforeAt: Date.now() - 400 * DAY_MS, notAfterAt: Date.now() - DAY_MS });
  const names = Array.from({ length: 13 }, (_, index) => `api${index}`);
  const route = (path: string) => ({
    path,
    callers: ['anonymous'],
    token: null,
    upstream: 'https://localhost:1',
    upstreamTls: { ca: { fromFile: 'ca.crt' } },
  });
  started = await startBroker(
    {
      listeners: { local: { address: '127.0.0.1:0', authenticate: ['anonymous'] } },
      routes: Object.fromEntries(names.map((name) => [name, route(`/${name}`)])),
    },
    { 'ca.crt': certificate },
  );
  const { certificates } = (await request(`${started.url('admin')}/status`)).json() as BrokerStatus;
  const keys = names.map((name) => `routes.${name}.upstreamTls.ca`);
  expect(certificates).toEqual([expect.objectContaining({ key: keys[0], otherKeys: keys.slice(1), state: 'ended' })]);
  expect((await started.metrics()).match(/^token_broker_certificate_not_after_seconds{.*/gm)).toHaveLength(1);
});

test('are told of in one line where two keys name one file', async () => {
  const [first, second, elsewhere] = [open(''), open(''), open('')];
  const lines = await linesOf(async (now) => {
    const { cert } = await issued(now - 60 * DAY_MS, now + 0.5 * DAY_MS);
    for (const [secret, file] of [
      [first, '/tls/client.crt'],
      [second, '/tls/client.crt'],
      [elsewhere, '/tls/other.crt'],
    ] as const) {
      secret.fill(cert);
      secret.readFrom(file, async () => {});
    }
    const upstreamTls = [first, second, elsewhere].map((cert) => ({ upstreamTls: { cert } }));
    return { routes: Object.fromEntries(upstreamTls.map((route, index) => [`r${index}`, route])) };
  }, 0.6);
  expect(lines.map(({ certificate, others }) => [certificate, others])).toEqual([
    ['routes.r0.upstreamTls.cert', 1],
    ['routes.r2.upstreamTls.cert', undefined],
  ]);
});

test('cost nothing where there are none', () => {
  const clock = new FakeClock();
  expect(new Certificates({ routes: {} }, clock, createLog('info', { write() {} })).status()).toEqual([]);
  expect(clock.timers).toBe(0);
});
