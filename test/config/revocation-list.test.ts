/** The period of a revocation list, read from its DER: of lists that the openssl command made, and of bytes that are no list. */

import { describe, expect, test } from '@jest/globals';
import { revocationPeriod } from '../../src/config/revocation-list.ts';
import { createAuthority, sharedAuthority } from '../helpers/certificates.ts';

/** `openssl ca -gencrl -crl_lastupdate 20261101120000Z -crl_nextupdate 20261201120000Z`, with a number: version 2. */
const NUMBERED = `MIGqMFMCAQEwCgYIKoZIzj0EAwIwFDESMBAGA1UEAwwJVGVzdCBSb290Fw0yNjEx
MDExMjAwMDBaFw0yNjEyMDExMjAwMDBaoA4wDDAKBgNVHRQEAwIBATAKBggqhkjO
PQQDAgNHADBEAiA8U91d/oYaja9pEtLsynTVH3F3BLAqRMNF1bF7m/2rbgIga0kq
UxxynZl+SpCJm0wLLBqYqiXoRCj6+staR8Wl5rk=`;
/** The same command without extensions: version 1, which has no field for that. */
const PLAIN = `MIGYMEAwCgYIKoZIzj0EAwIwFDESMBAGA1UEAwwJVGVzdCBSb290Fw0yNjExMDEx
MjAwMDBaFw0yNjEyMDExMjAwMDBaMAoGCCqGSM49BAMCA0gAMEUCICmGOpiizAdm
Ppz5DVbcT+H0wdoxqyptgdoYN9M0NvePAiEAq0G+0YtSieO/7Sl6LHWsGNSE+1iJ
2mmfd0T0LOJMa3k=`;
/** `-crl_lastupdate 491231235959Z -crl_nextupdate 20500101000000Z`: a UTCTime at its last second, and a GeneralizedTime. */
const OVER_2050 = `MIHOMHYCAQEwCgYIKoZIzj0EAwIwFDESMBAGA1UEAwwJVGVzdCBSb290Fw00OTEy
MzEyMzU5NTlaGA8yMDUwMDEwMTAwMDAwMFqgLzAtMB8GA1UdIwQYMBaAFGHpBA2z
XCJHgsPEtgB0buB14ZOQMAoGA1UdFAQDAgECMAoGCCqGSM49BAMCA0gAMEUCIQCs
V7BnbqcPXB3Y0Wy/IskLjylxHM4hKmcrFOLnZkiODgIgVhTAgT38gouJJZfZKtpx
/Vsi6HbqD4Mm4Zq8jaSJOBw=`;

const der = (base64: string): Buffer => Buffer.from(base64, 'base64');
const derOf = (pem: string): Buffer => der(pem.replace(/-----[^-]+-----|\s/g, ''));
const at = (iso: string): number => Date.parse(iso);

describe('the period of a revocation list', () => {
  test.each([
    ['of version 2', NUMBERED, '2026-11-01T12:00:00Z', '2026-12-01T12:00:00Z'],
    ['of version 1', PLAIN, '2026-11-01T12:00:00Z', '2026-12-01T12:00:00Z'],
    ['with both kinds of time', OVER_2050, '2049-12-31T23:59:59Z', '2050-01-01T00:00:00Z'],
  ])('%s is what openssl was told', (_title, base64, from, to) =>
    expect(revocationPeriod(der(base64))).toEqual({ thisUpdateAt: at(from), nextUpdateAt: at(to) }),
  );

  test('is found whatever the length of the list', async () => {
    const authority = await sharedAuthority();
    const revoked = await authority.issueClient({});
    const [thisUpdateAt, nextUpdateAt] = [at('2026-01-01T00:00:00Z'), at('2026-01-08T00:00:00Z')];
    for (const count of [0, 1, 10, 3000]) {
      const many = Array.from({ length: count }, (_, index) => ({ ...revoked, serialNumber: (0x10_0000 + index).toString(16) }));
      const list = derOf(await authority.revocationList(many, { thisUpdateAt, nextUpdateAt }));
      expect(revocationPeriod(list)).toEqual({ thisUpdateAt, nextUpdateAt });
    }
  });

  test('has no end where the list names none, whatever else it holds', async () => {
    const authority = await createAuthority();
    const revoked = await authority.issueClient({});
    const thisUpdateAt = at('2026-01-01T00:00:00Z');
    for (const each of [[], [revoked]])
      expect(revocationPeriod(derOf(await authority.revocationList(each, { thisUpdateAt, nextUpdateAt: 'none' })))).toEqual({
        thisUpdateAt,
      });
  });

  test.each([
    ['a day that there is not', '260230120000Z'],
    ['a month that there is not', '261301120000Z'],
    ['an hour that there is not', '261201250000Z'],
    ['a letter', '2612x1120000Z'],
    ['no zone', '2612011200000'],
  ])('is not known where a time has %s', (_title, time) => {
    for (const place of ['261101120000Z', '261201120000Z']) {
      const bent = der(NUMBERED);
      bent.write(time, bent.indexOf(place), 'latin1');
      expect(revocationPeriod(bent)).toBeUndefined();
    }
  });

  test.each([
    ['nothing', ''],
    ['one byte', '30'],
    ['a length without end', '3080'],
    ['a length that is not there', '3084ffff'],
    ['a length beyond the end', '3084ffffffff00'],
    ['a length of nine bytes', '3089000000000000000001'],
    ['an empty list', '3000'],
    ['an empty list within', '30023000'],
    ['no sequence', '0500'],
    ['a sequence of something else', '30023100'],
  ])('is not known of %s', (_title, hex) => expect(revocationPeriod(Buffer.from(hex, 'hex'))).toBeUndefined());

  test('is not known of a list that is cut off anywhere', () => {
    const whole = der(NUMBERED);
    for (let length = 0; length < whole.length; length += 1) expect(revocationPeriod(whole.subarray(0, length))).toBeUndefined();
  });

  test('is times or nothing, whichever byte is another', () => {
    const whole = der(OVER_2050);
    const periods = Array.from(whole.keys()).flatMap((place) =>
      Array.from({ length: 256 }, (_, value) => {
        const bent = Buffer.from(whole);
        bent[place] = value;
        return revocationPeriod(bent);
      }),
    );
    const times = periods.flatMap((period) => (period === undefined ? [] : Object.values(period)));
    expect(times.length).toBeGreaterThan(periods.length);
    expect(times.filter((time) => !Number.isSafeInteger(time))).toEqual([]);
  });
});
