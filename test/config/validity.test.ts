/** From when until when certificates and revocation lists are good, one by one and together. */

import { X509Certificate } from 'node:crypto';
import { once } from 'node:events';
import { connect, createServer } from 'node:tls';
import { beforeAll, describe, expect, test } from '@jest/globals';
import { chainValidity, revocationValidity, trustValidity, type Validity, validityState } from '../../src/config/validity.ts';
import { type Authority, createAuthority, type Identity, type LeafOptions } from '../helpers/certificates.ts';

const DAY_MS = 86_400_000;
const NOW = Math.floor(Date.now() / DAY_MS) * DAY_MS;
let authority: Authority;

beforeAll(async () => {
  authority = await createAuthority();
});

const days = (from: number, to: number) => ({ notBeforeAt: NOW + from * DAY_MS, notAfterAt: NOW + to * DAY_MS });
const issued = (from: number, to: number, issuer = authority): Promise<Identity> => issuer.issueServer({ validity: days(from, to) });
const stateOf = (validity: Validity | undefined) => validity && validityState(validity, NOW);
const listed = (from: number, to: number): Promise<string> => {
  const { notBeforeAt: thisUpdateAt, notAfterAt: nextUpdateAt } = days(from, to);
  return authority.revocationList([], { thisUpdateAt, nextUpdateAt });
};

describe('a certificate', () => {
  test.each([
    ['is good in the middle of its life', -100, 200, 'good'],
    ['of a year is good 15 days before its end', -350, 15, 'good'],
    ['of a year is ending 13 days before its end', -352, 13, 'ending'],
    ['of 90 days, renewed 30 days before its end as usual, is good', -60, 30, 'good'],
    ['of an hour is good for half of it', -0.5 / 24, 0.5 / 24, 'good'],
    ['of an hour is ending when ten minutes are left', -50 / 1440, 10 / 1440, 'ending'],
    ['has ended at its last moment', -1, 0, 'ended'],
    ['is not good before its first moment', 1 / 86_400, 1, 'future'],
  ] as const)('%s', async (_title, from, to, state) => {
    const { leaf } = await issued(from, to);
    expect(chainValidity(leaf)).toMatchObject(days(from, to));
    expect([stateOf(chainValidity(leaf)), stateOf(trustValidity(leaf))]).toEqual([state, state]);
  });

  test('is nothing to be told of where one of its dates is none', async () => {
    const der = Buffer.from((await issued(-10, 300)).leaf.replace(/-----[^-]+-----|\s/g, ''), 'base64');
    // The tag and the length of a time within a century (X.690 §8.1), the second of the two.
    const mark = Buffer.from([0x17, 13]);
    der.write('991332000000Z', der.indexOf(mark, der.indexOf(mark) + 1) + 2, 'latin1');
    expect(new X509Certificate(der).validTo).toBe('Bad time value');
    const pem = `-----BEGIN CERTIFICATE-----\n${der.toString('base64')}\n-----END CERTIFICATE-----\n`;
    expect([chainValidity(pem), trustValidity(pem)]).toEqual([undefined, undefined]);
  });

  test('that cannot be read is nothing to be told of', () => {
    for (const text of ['no certificate', '-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n'])
      expect([chainValidity(text), trustValidity(text)]).toEqual([undefined, undefined]);
  });
});

describe('a chain', () => {
  const below = async (validity: LeafOptions['validity']) => {
    const intermediate = await authority.intermediate('Below', validity);
    return { intermediate, server: await issued(-10, 300, intermediate) };
  };

  test('is as good as all that the path of its leaf needs', async () => {
    const { server } = await below(days(-5, 3));
    expect(chainValidity(server.cert)).toMatchObject(days(-5, 3));
    expect(chainValidity(server.leaf)).toMatchObject(days(-10, 300));
    expect(stateOf(chainValidity((await below(days(-1000, 13))).server.cert))).toBe('ending');
  });

  test('is ended by nothing that peers ignore: another copy of an issuer, a root, what is of no path', async () => {
    const { intermediate, server } = await below('future');
    const renewed = await intermediate.renewed(days(-200, 400));
    const old = await intermediate.renewed(days(-200, -1));
    const root = (await authority.renewed('expired')).certificate;
    const other = (await createAuthority('Other', 'expired')).certificate;
    for (const chain of [
      [server.leaf, old.certificate, renewed.certificate],
      [server.leaf, renewed.certificate, old.certificate, root, other],
    ]) {
      expect(chainValidity(chain.join(''))).toMatchObject(days(-10, 300));
      expect(await acceptedBy(authority.certificate, { cert: chain.join(''), key: server.key })).toBe(true);
    }
    const withOldAlone = server.leaf + old.certificate;
    expect(stateOf(chainValidity(withOldAlone))).toBe('ended');
    expect(await acceptedBy(authority.certificate, { cert: withOldAlone, key: server.key })).toBe('CERT_HAS_EXPIRED');
  });
});

/** Whether a client that trusts this one takes the chain that a server shows. */
async function acceptedBy(ca: string, shown: { cert: string; key: string }): Promise<unknown> {
  const server = createServer(shown).listen(0, '127.0.0.1');
  await once(server, 'listening');
  const socket = connect({
    ...(server.address() as { port: number }),
    host: '127.0.0.1',
    ca,
    servername: 'localhost',
    rejectUnauthorized: false,
  });
  await once(socket, 'secureConnect');
  const verdict = socket.authorized || socket.authorizationError;
  socket.destroy();
  server.close();
  await once(server, 'close');
  return verdict;
}

describe('what is trusted', () => {
  const root = async (from: number, to: number) => (await authority.renewed(days(from, to))).certificate;

  test('is as good as the best of it', async () => {
    const [old, current, next] = [await root(-3000, -1), await root(-300, 100), await root(30, 3000)];
    expect(trustValidity(old + current)).toMatchObject(days(-3000, 100));
    expect(stateOf(trustValidity(old + current + next))).toBe('good');
    expect(stateOf(trustValidity(old + next))).toBe('good');
    expect(stateOf(trustValidity(old))).toBe('ended');
    expect(stateOf(trustValidity(next))).toBe('future');
    const server = await authority.issueServer();
    expect(await acceptedBy(old + current, server)).toBe(true);
    expect(await acceptedBy(old, server)).toBe('CERT_HAS_EXPIRED');
  });

  test('is late by the measure of what ends last, beside whatever else', async () => {
    const [ancient, short] = [await root(-9000, -1), await root(-1 / 4, 3 / 4)];
    expect(stateOf(trustValidity(ancient + short))).toBe('good');
    expect(stateOf(trustValidity((await root(-300, 10)) + (await root(-300, 5))))).toBe('ending');
  });
});

describe('a revocation list', () => {
  test.each([
    ['of a month is good two days before its end', -28, 2, 'good'],
    ['of a month is ending a day before its end', -29, 1, 'ending'],
    ['of a week, written anew when a tenth is left, is good until then', -6.3, 0.7, 'good'],
    ['has ended at its last moment', -7, 0, 'ended'],
    ['is not good before its first moment', 1 / 86_400, 7, 'future'],
  ] as const)('%s', async (_title, from, to, state) => {
    expect(revocationValidity(await listed(from, to))).toMatchObject(days(from, to));
    expect(stateOf(revocationValidity(await listed(from, to)))).toBe(state);
  });

  test('counts as the first to end of those beside it', async () => {
    expect(revocationValidity((await listed(-3, 20)) + (await listed(-2, 5)))).toMatchObject(days(-2, 5));
  });

  test('without an end never ends', async () => {
    const list = await authority.revocationList([], { thisUpdateAt: NOW - DAY_MS, nextUpdateAt: 'none' });
    const validity = revocationValidity(list) as Validity;
    expect(new Date(validity.notAfterAt).toISOString()).toBe('9999-12-31T23:59:59.000Z');
    expect(stateOf(validity)).toBe('good');
    expect(revocationValidity(list + (await listed(-2, 5)))).toMatchObject(days(-1, 5));
  });

  test('that cannot be read is nothing to be told of, nor are those beside it', async () => {
    const odd = '-----BEGIN X509 CRL-----\nMAA=\n-----END X509 CRL-----\n';
    expect([revocationValidity(odd), revocationValidity((await listed(-3, 20)) + odd), revocationValidity('')]).toEqual([
      undefined,
      undefined,
      undefined,
    ]);
  });
});
