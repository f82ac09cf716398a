/** What `check` says of certificates and revocation lists that have ended, will soon, or are not good yet. */

import { writeFile } from 'node:fs/promises';
import { beforeAll, describe, expect, test } from '@jest/globals';
import { type Authority, createAuthority } from '../helpers/certificates.ts';
import { bent, load, useDirectory } from './fixture.ts';

const DAY_MS = 86_400_000;
const NOW = Date.parse('2026-11-22T12:00:00Z');
const directory = useDirectory();
let authority: Authority;

beforeAll(async () => {
  authority = await createAuthority();
});

/** Everything that ends, in one config, all of it from one day to another. */
async function warningsOf(fromDay: number, toDay: number): Promise<[string, string][]> {
  const validity = { notBeforeAt: NOW + fromDay * DAY_MS, notAfterAt: NOW + toDay * DAY_MS };
  const { cert, key } = await authority.issueServer({ validity });
  const ca = (await authority.renewed(validity)).certificate;
  const crl = await authority.revocationList([], { thisUpdateAt: validity.notBeforeAt, nextUpdateAt: validity.notAfterAt });
  await writeFile(directory.path('server.crt'), cert);
  await writeFile(directory.path('clients.crl'), crl);
  const config = bent((valid) => {
    const tls = { cert: { fromFile: 'server.crt' }, key: { unsafeInline: key }, clientCa: ca, crl: { fromFile: 'clients.crl' } };
    valid['listeners'].mesh = { address: '0.0.0.0:0', authenticate: ['mtls'], tls };
    valid['routes'].orders.upstreamTls = { ca, cert: { unsafeInline: cert }, key: { unsafeInline: key } };
    for (const server of Object.values<{ tls?: object }>(valid['authorizationServers'])) server.tls = { ca };
  });
  const { warnings } = await load(directory.path('config.json'), config, { clock: { now: () => NOW } });
  return warnings.filter(({ path }) => /\.(?:cert|ca|clientCa|crl)$/.test(path)).map(({ path, message }) => [path, message]);
}

const SHOWN = ['listeners.mesh.tls.cert', 'routes.orders.upstreamTls.cert'];
const effects = {
  cert: 'others refuse it',
  ca: 'no server that it vouches for is trusted',
  clientCa: 'no caller with a certificate gets in',
  crl: 'no caller with a certificate of its CA gets in',
};
const waysOut = {
  cert: 'renew it',
  ca: "add the CA's new certificate",
  clientCa: "add the CA's new certificate",
  crl: "replace it by the CA's newest list",
};
type Key = keyof typeof effects;
const keyOf = (path: string) => path.slice(path.lastIndexOf('.') + 1) as Key;

describe('the config', () => {
  test.each([
    ['has ended', -400, -2, (key: Key) => `ended at 2026-11-20T12:00:00Z, so ${effects[key]}; ${waysOut[key]}`],
    [
      'ends within hours',
      -80,
      0.25,
      (key: Key) => `ends at 2026-11-22T18:00:00Z, and from then on ${effects[key]}; before that, ${waysOut[key]}`,
    ],
    [
      'is not good yet',
      1,
      90,
      (key: Key) => `is good from 2026-11-23T12:00:00Z on, and until then ${effects[key]}; set the clock of this machine, or wait`,
    ],
  ] as const)('warns of each that %s, and is not refused for it', async (_title, from, to, textOf) => {
    const warnings = await warningsOf(from, to);
    const paths = warnings.map(([path]) => path);
    expect(paths).toEqual(
      expect.arrayContaining([...SHOWN, 'listeners.mesh.tls.clientCa', 'listeners.mesh.tls.crl', 'routes.orders.upstreamTls.ca']),
    );
    expect(paths.filter((path) => /^authorizationServers\..+\.tls\.ca$/.test(path))).not.toEqual([]);
    expect(warnings).toEqual(paths.map((path) => [path, textOf(keyOf(path))]));
  });

  test('lets a list be two days from its end, when a certificate is late already', async () => {
    expect((await warningsOf(-28, 2)).map(([path]) => keyOf(path))).not.toContain('crl');
    expect((await warningsOf(-28, 2)).map(([path]) => path)).toEqual(expect.arrayContaining(SHOWN));
  });

  test('warns once of a file that several keys name', async () => {
    const { certificate } = await authority.renewed({ notBeforeAt: NOW - 400 * DAY_MS, notAfterAt: NOW - 2 * DAY_MS });
    await writeFile(directory.path('ca.crt'), certificate);
    const config = bent(({ routes, authorizationServers }) => {
      for (const server of Object.values<{ tls?: object }>(authorizationServers)) server.tls = { ca: { fromFile: 'ca.crt' } };
      routes.orders.upstreamTls = { ca: { fromFile: './ca.crt' } };
    });
    const servers = Object.keys(config['authorizationServers']).length;
    const { warnings } = await load(directory.path('config.json'), config, { clock: { now: () => NOW } });
    const said = warnings.map(({ message }) => message).filter((message) => message.startsWith('ended at '));
    expect(said).toEqual([expect.stringMatching(`; ${servers} more keys? names? the same file$`)]);
  });

  test('says nothing of what is good', async () => {
    expect(await warningsOf(-30, 335)).toEqual([]);
  });
});
