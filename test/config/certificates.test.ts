/** What `check` says of certificates that have ended, will soon, or are not good yet. */

import { X509Certificate } from 'node:crypto';
import { writeFile } from 'node:fs/promises';
import { beforeAll, describe, expect, test } from '@jest/globals';
import { type Validity, validityOf, validityState } from '../../src/config/certificates.ts';
import { type Authority, createAuthority, type Identity, type LeafOptions } from '../helpers/certificates.ts';
import { bent, load, useDirectory } from './fixture.ts';

const DAY_MS = 86_400_000;
const NOW = Date.parse('2026-11-22T12:00:00Z');
const directory = useDirectory();
let authority: Authority;

beforeAll(async () => {
  authority = await createAuthority();
});

const issued = (fromDay: number, toDay: number, options: LeafOptions = {}): Promise<Identity> =>
  authority.issueServer({ ...options, validity: { notBeforeAt: NOW + fromDay * DAY_MS, notAfterAt: NOW + toDay * DAY_MS } });

const days = (from: number, to: number): Validity => ({ notBeforeAt: NOW + from * DAY_MS, notAfterAt: NOW + to * DAY_MS });

describe('a certificate', () => {
  test.each([
    ['is good in the middle of its life', days(-100, 200), 'good'],
    ['of a year is good 15 days before its end', days(-350, 15), 'good'],
    ['of a year is ending 13 days before its end', days(-352, 13), 'ending'],
    ['of 90 days, renewed 30 days before its end as usual, is good', days(-60, 30), 'good'],
    ['of an hour is good for half of it', days(-0.5 / 24, 0.5 / 24), 'good'],
    ['of an hour is ending when ten minutes are left', days(-50 / 1440, 10 / 1440), 'ending'],
    ['has ended at its last moment', days(-1, 0), 'ended'],
    ['is not good before its first moment', days(1 / 86_400_000, 1), 'future'],
  ] as const)('%s', (_title, validity, state) => expect(validityState(validity, NOW)).toBe(state));

  test('is as good as the whole chain that comes with it', async () => {
    const [leaf, other] = [await issued(-10, 300), await issued(-5, 3)];
    expect(validityOf(leaf.leaf + other.leaf)).toEqual(days(-5, 3));
    expect(validityOf('no certificate')).toBeUndefined();
  });

  test('is nothing to be told of where one of its dates is none', async () => {
    const der = Buffer.from((await issued(-10, 300)).leaf.replace(/-----[^-]+-----|\s/g, ''), 'base64');
    // The tag and the length of a time within a century (X.690 §8.1), the second of the two.
    const mark = Buffer.from([0x17, 13]);
    der.write('991332000000Z', der.indexOf(mark, der.indexOf(mark) + 1) + 2, 'latin1');
    expect(new X509Certificate(der).validTo).toBe('Bad time value');
    expect(validityOf(`-----BEGIN CERTIFICATE-----\n${der.toString('base64')}\n-----END CERTIFICATE-----\n`)).toBeUndefined();
  });
});

test.each([
  [-400, -2, 'holds a certificate that ended at 2026-11-20T12:00:00Z, so others refuse it; renew it'],
  [-80, 3, 'holds a certificate that ends at 2026-11-25T12:00:00Z; renew it before'],
  [1, 90, 'holds a certificate that is good from 2026-11-23T12:00:00Z on; set the clock of this machine, or wait'],
])('warns of a certificate from day %d to day %d, and refuses no config for it', async (from, to, message) => {
  const { cert, key } = await issued(from, to);
  const config = bent((valid) => {
    valid['listeners'].mesh = {
      address: '0.0.0.0:0',
      authenticate: ['basic'],
      tls: { cert: { fromFile: 'server.crt' }, key: { unsafeInline: key } },
    };
    valid['routes'].orders.upstreamTls = { cert: { unsafeInline: cert }, key: { unsafeInline: key } };
  });
  await writeFile(directory.path('server.crt'), cert);

  const { warnings } = await load(directory.path('config.json'), config, { clock: { now: () => NOW } });

  expect(warnings.filter((warning) => warning.message.includes('certificate')).map((warning) => [warning.path, warning.message])).toEqual([
    ['listeners.mesh.tls.cert', message],
    ['routes.orders.upstreamTls.cert', message],
  ]);
});

test('says nothing of one that is good', async () => {
  const { cert, key } = await issued(-30, 335);
  const config = bent((valid) => {
    valid['routes'].orders.upstreamTls = { cert: { unsafeInline: cert }, key: { unsafeInline: key } };
  });
  const { warnings } = await load(directory.path('config.json'), config, { clock: { now: () => NOW } });
  expect(warnings.filter((warning) => warning.message.includes('certificate'))).toEqual([]);
});
