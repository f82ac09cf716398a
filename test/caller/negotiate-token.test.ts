import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { namesScheme } from '../../src/caller/challenge.ts';
import { readNegotiateToken } from '../../src/caller/negotiate-token.ts';
import { der, framed, KERBEROS_TOKEN, NTLM_TOKEN, negotiate, OID, offer, oid } from '../helpers/negotiate-tokens.ts';

const read = (token: Uint8Array) => readNegotiateToken(negotiate(token));
const asShown = (token: Uint8Array) => ({ token: Buffer.from(token).toString('base64') });

describe('a field of the scheme Negotiate', () => {
  test.each(['Negotiate YII', 'negotiate YII', 'NEGOTIATE', 'Negotiate\tYII', 'Negotiate=YII'])('is known in the spelling %j', (field) => {
    expect(namesScheme(field, 'negotiate')).toBe(true);
  });

  test.each(['', 'Negotiated YII', 'Negotiate-2 YII', 'NTLM TlR', 'Basic YTpi'])('is not taken for one in %j', (field) => {
    expect(namesScheme(field, 'negotiate')).toBe(false);
  });

  test.each(['Negotiate', 'Negotiate ', 'Negotiate ====', 'Negotiate a b', 'Negotiate a,b', 'Negotiate\tYII', 'Negotiate YII !'])(
    'is malformed as %j',
    (field) => {
      expect(readNegotiateToken(field)).toEqual({ fault: 'malformed' });
    },
  );
});

describe('the library is shown a token', () => {
  test.each([
    ['bare', KERBEROS_TOKEN],
    ['alone in an offer', offer([OID.kerberos], KERBEROS_TOKEN)],
    ['as Windows offers it, before NegoEx and NTLM', offer([OID.kerberosOfWindows, OID.kerberos, OID.negoEx, OID.ntlm], KERBEROS_TOKEN)],
  ])('of Kerberos, %s', (_how, token) => {
    expect(read(token)).toEqual(asShown(token));
  });

  test('in the one spelling of base64 that its bytes have', () => {
    const { token } = asShown(KERBEROS_TOKEN);
    const last = token.replace(/=+$/, '');
    expect(readNegotiateToken(`negotiate   ${last}`)).toEqual({ token });
  });
});

describe('the library is not shown a token', () => {
  test.each([
    ['of NTLM, bare', NTLM_TOKEN, 'ntlm'],
    ['of NTLM in an offer', offer([OID.ntlm], NTLM_TOKEN), 'ntlm'],
    ['that begins NTLM before Kerberos', offer([OID.ntlm, OID.kerberos], NTLM_TOKEN), 'ntlm'],
    ['that says Kerberos and holds NTLM', offer([OID.kerberos], NTLM_TOKEN), 'ntlm'],
    ['of NegoEx, though Kerberos would be the second choice', offer([OID.negoEx, OID.kerberos], KERBEROS_TOKEN), 'not_kerberos'],
    ['that offers Kerberos and does not begin', offer([OID.kerberos]), 'not_kerberos'],
    ['that would have us ask a KDC (IAKERB)', framed(OID.iakerb, Buffer.from('x')), 'not_kerberos'],
    ['that would have us ask a KDC, in an offer', offer([OID.kerberos], framed(OID.iakerb, Buffer.from('x'))), 'not_kerberos'],
    ['that offers nothing', offer([]), 'not_kerberos'],
    ['of a second leg', der(0xa1, der(0x30, der(0xa0, Buffer.from([0x0a, 1, 1])))), 'malformed'],
    ['with something behind it', Buffer.concat([KERBEROS_TOKEN, Buffer.from([0])]), 'malformed'],
    ['that is cut short', KERBEROS_TOKEN.subarray(0, -1), 'malformed'],
    ['of no mechanism', der(0x60, Buffer.from('x')), 'malformed'],
    ['of indefinite length', Buffer.concat([Buffer.from([0x60, 0x80]), oid(OID.kerberos), Buffer.from([0, 0])]), 'malformed'],
    ['whose length takes five bytes', Buffer.from([0x60, 0x85, 0, 0, 0, 0, 1, 6]), 'malformed'],
    ['that is text', Buffer.from('hello'), 'malformed'],
  ])('%s', (_what, token, fault) => {
    expect(read(token)).toEqual({ fault });
  });

  test('longer than Windows makes any', () => {
    const filled = (bytes: number) => framed(OID.kerberos, Buffer.alloc(bytes));
    expect(read(filled(60_000))).toEqual(asShown(filled(60_000)));
    expect(read(filled(65_535 + 100))).toEqual({ fault: 'too_large' });
  });

  test('of whatever bytes, without ever failing', () => {
    const base = [...offer([OID.kerberosOfWindows, OID.kerberos], KERBEROS_TOKEN)];
    const mutated = fc.tuple(fc.nat(base.length - 1), fc.nat(255)).map(([at, byte]) => Uint8Array.from(base.with(at, byte)));
    fc.assert(
      fc.property(fc.oneof(fc.uint8Array({ minLength: 1 }), mutated), (bytes) => {
        const found = read(bytes);
        return 'token' in found ? found.token === Buffer.from(bytes).toString('base64') : typeof found.fault === 'string';
      }),
    );
  });
});
