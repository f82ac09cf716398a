import 'reflect-metadata';
import { createHash, webcrypto, X509Certificate } from 'node:crypto';
import { beforeAll, describe, expect, test } from '@jest/globals';
import * as x509 from '@peculiar/x509';
import fc from 'fast-check';
import { readPeerCertificate } from '../../src/caller/peer-certificate.ts';

x509.cryptoProvider.set(webcrypto);

const EC = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' };
const NOT_BEFORE = new Date('2026-01-02T03:04:05Z');
const NOT_AFTER = new Date('2027-01-02T03:04:05Z');

let keys: webcrypto.CryptoKeyPair;

beforeAll(async () => {
  keys = await webcrypto.subtle.generateKey(EC, true, ['sign', 'verify']);
});

async function issue(name: x509.JsonName, extensions: x509.Extension[]): Promise<X509Certificate> {
  const options = { name, notBefore: NOT_BEFORE, notAfter: NOT_AFTER, keys, signingAlgorithm: EC, extensions };
  const certificate = await x509.X509CertificateGenerator.createSelfSigned(options);
  return new X509Certificate(Buffer.from(certificate.rawData));
}

async function read(names: x509.JsonGeneralNames, commonName = 'reports') {
  return readPeerCertificate(await issue([{ CN: [commonName] }], [new x509.SubjectAlternativeNameExtension(names)]));
}

describe('what a certificate says', () => {
  test('reads names, fingerprint and validity', async () => {
    const certificate = await issue(
      [{ CN: ['reports'] }],
      [
        new x509.SubjectAlternativeNameExtension([
          { type: 'url', value: 'spiffe://acme.example/ns/reports' },
          { type: 'dns', value: 'reports.acme.example' },
          { type: 'ip', value: '::1' },
          { type: 'dns', value: 'other.acme.example' },
        ]),
      ],
    );
    expect(readPeerCertificate(certificate)).toEqual({
      uris: ['spiffe://acme.example/ns/reports'],
      dnsNames: ['reports.acme.example', 'other.acme.example'],
      commonName: undefined,
      fingerprint: createHash('sha256').update(certificate.raw).digest('hex'),
      notBeforeAt: NOT_BEFORE.getTime(),
      notAfterAt: NOT_AFTER.getTime(),
    });
  });

  const SMUGGLED = 'spiffe://acme.example/ns/admin';
  const attacks: [string, x509.JsonGeneralNames, string[], string[]][] = [
    ['a DNS name with a comma', [{ type: 'dns', value: `a, URI:${SMUGGLED}` }], [`a, URI:${SMUGGLED}`], []],
    ['a DNS name with quotes', [{ type: 'dns', value: `a", URI:"${SMUGGLED}` }], [`a", URI:"${SMUGGLED}`], []],
    ['a DNS name with a backslash and a quote', [{ type: 'dns', value: `a\\", URI:${SMUGGLED}` }], [`a\\", URI:${SMUGGLED}`], []],
    ['a DNS name that looks escaped', [{ type: 'dns', value: `a\\u002c URI:${SMUGGLED}` }], [`a\\u002c URI:${SMUGGLED}`], []],
    ['a URI with a comma', [{ type: 'url', value: 'spiffe://a/b, DNS:admin' }], [], ['spiffe://a/b, DNS:admin']],
    ['a URI with NUL and line breaks', [{ type: 'url', value: 'spiffe://a/b\0\r\n, DNS:c' }], [], ['spiffe://a/b\0\r\n, DNS:c']],
    ['a URI with a quote', [{ type: 'url', value: "spiffe://a/b'c" }], [], ["spiffe://a/b'c"]],
    ['an e-mail address', [{ type: 'email', value: `a@b, URI:${SMUGGLED}` }], [], []],
    ['a directory name', [{ type: 'dn', value: `CN=foo\\, URI:${SMUGGLED}` }], [], []],
    ['a user principal name', [{ type: 'upn', value: `u@x, URI:${SMUGGLED}` }], [], []],
    ['an empty name', [{ type: 'dns', value: '' }], [''], []],
    ['a name of bytes beyond ASCII', [{ type: 'dns', value: '\u00fc.example' }], ['\u00fc.example'], []],
  ];

  test.each(attacks)('B07 is not fooled by %s', async (_, names, dnsNames, uris) => {
    expect(await read([...names, { type: 'dns', value: 'last.example' }])).toMatchObject({ dnsNames: [...dnsNames, 'last.example'], uris });
  });

  test('B07 reads back any DNS names and URIs, in order', async () => {
    const latin1 = fc.string({ unit: fc.integer({ min: 0, max: 0x7f }).map((code) => String.fromCharCode(code)), maxLength: 30 });
    const tricky = fc.constantFrom('", DNS:x', '\\', "'", ', URI:y', '\\u002c', '"', 'DNS:"a"', ',', ' ', '\\"');
    const value = fc.array(fc.oneof(latin1, tricky), { maxLength: 5 }).map((parts) => parts.join(''));
    const name = fc.record({ type: fc.constantFrom('dns' as const, 'url' as const), value });
    await fc.assert(
      fc.asyncProperty(fc.array(name, { minLength: 1, maxLength: 6 }), async (names) => {
        const { dnsNames, uris, commonName } = await read(names);
        expect(dnsNames).toEqual(names.filter(({ type }) => type === 'dns').map((entry) => entry.value));
        expect(uris).toEqual(names.filter(({ type }) => type === 'url').map((entry) => entry.value));
        expect(commonName).toBeUndefined();
      }),
      { numRuns: 60 },
    );
  });

  test('B07 the common name is read only from a certificate without alternative names', async () => {
    expect(readPeerCertificate(await issue([{ CN: ['reports'] }], [])).commonName).toBe('reports');
    expect((await read([{ type: 'ip', value: '127.0.0.1' }])).commonName).toBeUndefined();
    expect((await read([])).commonName).toBeUndefined();
  });

  test('B07 alternative names that cannot be read do not bring the common name back', async () => {
    const broken = new x509.Extension('2.5.29.17', false, new Uint8Array([0x30, 0x05, 0x82]));
    expect(readPeerCertificate(await issue([{ CN: ['reports'] }], [broken]))).toMatchObject({
      commonName: undefined,
      dnsNames: [],
      uris: [],
    });
  });

  test('B07 neither several common names nor one with line breaks can pass for another', async () => {
    expect(readPeerCertificate(await issue([{ CN: ['reports'] }, { CN: ['billing'] }], [])).commonName).toBeUndefined();
    expect(readPeerCertificate(await issue([{ O: ['x\nCN=reports'] }, { CN: ['other'] }], [])).commonName).toBe('other');
    expect(readPeerCertificate(await issue([{ O: ['acme'] }], [])).commonName).toBeUndefined();
  });
});
