import { describe, expect, test } from '@jest/globals';
import { createCertificateCheck } from '../../src/caller/mtls.ts';
import type { PeerCertificate } from '../../src/message.ts';

const NOW = 1_800_000_000_000;

const certificate = (parts: Partial<PeerCertificate>): PeerCertificate => ({
  uris: [],
  dnsNames: [],
  commonName: undefined,
  fingerprint: 'ab'.repeat(32),
  notBeforeAt: NOW - 1_000,
  notAfterAt: NOW + 1_000,
  ...parts,
});

type Rule = { uri?: string; dns?: string; fingerprint?: string; commonName?: string };

const recognises = (rule: Rule, parts: Partial<PeerCertificate>) =>
  createCertificateCheck({ reports: { mtls: rule } })(certificate(parts), NOW) !== 'refused';

describe('callers known by certificate', () => {
  test.each([
    ['spiffe://acme.example/ns/reports/sa/batch', 'spiffe://acme.example/ns/reports/sa/batch', true],
    ['spiffe://acme.example/ns/reports/sa/*', 'spiffe://acme.example/ns/reports/sa/batch', true],
    ['spiffe://acme.example/ns/*/sa/*', 'spiffe://acme.example/ns/reports/sa/batch', true],
    ['spiffe://acme.example/ns/reports/sa/batch-*', 'spiffe://acme.example/ns/reports/sa/batch-7', true],
    ['SPIFFE://ACME.example/ns/a', 'spiffe://acme.EXAMPLE/ns/a', true],
    ['urn:acme:*', 'urn:acme:reports', true],
    ['spiffe://acme.example', 'spiffe://acme.example', true],
    ['spiffe://acme.example/ns/reports/sa/*', 'spiffe://acme.example/ns/reports/sa/batch/more', false],
    ['spiffe://acme.example/ns/reports/sa/*', 'spiffe://acme.example/ns/reports/sa/', false],
    ['spiffe://acme.example/ns/reports/sa/*', 'spiffe://acme.example/ns/reports/sa/a?b', false],
    ['spiffe://acme.example/ns/reports/sa/*', 'spiffe://acme.example/ns/reports/sa/a#b', false],
    ['spiffe://acme.example/ns/reports/sa/*', 'spiffe://acme.example/ns/reports/sa/a\nb', false],
    ['spiffe://acme.example/ns/reports/sa/*', 'spiffe://acme.example/ns/reports/sa/a\0', false],
    ['spiffe://acme.example/ns/reports/sa/*', 'spiffe://acme.example/NS/reports/sa/batch', false],
    ['spiffe://acme.example/ns/reports', 'spiffe://acme.example/ns/reports2', false],
    ['spiffe://acme.example/ns/reports', 'xspiffe://acme.example/ns/reports', false],
    ['spiffe://acme.example/ns/reports', 'spiffe://acme.example/ns/reports\n', false],
    ['spiffe://acme.example/a', 'spiffe://acmeXexample/a', false],
    ['spiffe://acme.example/a', 'spiffe://acme.example.evil/a', false],
    ['spiffe://*/ns/a', 'spiffe://acme.example/ns/a', false],
    ['spiffe://*.example/ns/a', 'spiffe://acme.example/ns/a', false],
    ['*://acme.example/a', 'spiffe://acme.example/a', false],
    ['spiffe://acme.example/(a|b)+', 'spiffe://acme.example/a', false],
    ['spiffe://acme.example/a.c', 'spiffe://acme.example/abc', false],
  ])('B07 URI rule %s on %j: %s', (uri, presented, expected) => {
    expect(recognises({ uri }, { uris: [presented] })).toBe(expected);
  });

  test.each([
    ['reports.acme.example', 'reports.acme.example', true],
    ['Reports.acme.example', 'REPORTS.acme.example', true],
    ['*.acme.example', 'reports.acme.example', true],
    ['reports-*.acme.example', 'reports-7.acme.example', true],
    ['*.acme.example', 'a.reports.acme.example', false],
    ['*.acme.example', '.acme.example', false],
    ['*.acme.example', 'acme.example', false],
    ['*.acme.example', 'reports.acme.example.evil', false],
    ['*.acme.example', 'reports.acmeXexample', false],
    ['*.acme.example', 'a b.acme.example', false],
    ['reports.acme.example', '*.acme.example', false],
    ['reports.acme.example', 'reports.acme.example\0.evil', false],
  ])('B07 DNS rule %s on %j: %s', (dns, presented, expected) => {
    expect(recognises({ dns }, { dnsNames: [presented] })).toBe(expected);
  });

  test('B07 one of several names is enough, and names of another type do not count', () => {
    expect(recognises({ dns: 'b.example' }, { dnsNames: ['a.example', 'b.example'] })).toBe(true);
    expect(recognises({ dns: 'b.example' }, { uris: ['b.example'], commonName: 'b.example' })).toBe(false);
    expect(recognises({ uri: 'spiffe://a/b' }, { dnsNames: ['spiffe://a/b'], commonName: 'spiffe://a/b' })).toBe(false);
  });

  test('B07 a fingerprint is matched exactly', () => {
    expect(recognises({ fingerprint: 'ab'.repeat(32) }, {})).toBe(true);
    expect(recognises({ fingerprint: 'ac'.repeat(32) }, {})).toBe(false);
  });

  test('B07 a common name counts only where a rule says so, exactly', () => {
    expect(recognises({ commonName: 'reports' }, { commonName: 'reports' })).toBe(true);
    expect(recognises({ commonName: 'reports' }, { commonName: 'Reports' })).toBe(false);
    expect(recognises({ commonName: '*' }, { commonName: 'reports' })).toBe(false);
    expect(recognises({ commonName: 'reports' }, {})).toBe(false);
    expect(recognises({ dns: 'reports' }, { commonName: 'reports' })).toBe(false);
  });

  test('B07 every part of a rule must match', () => {
    const rule = { uri: 'spiffe://a/*', fingerprint: 'ab'.repeat(32) };
    expect(recognises(rule, { uris: ['spiffe://a/b'] })).toBe(true);
    expect(recognises(rule, { uris: ['spiffe://b/b'] })).toBe(false);
    expect(recognises(rule, { uris: ['spiffe://a/b'], fingerprint: '00'.repeat(32) })).toBe(false);
  });

  test('of callers that it fits the narrowest is meant, whatever their order, and callers without a rule never are', () => {
    const callers: Record<string, { mtls?: Rule }> = {
      none: {},
      any: { mtls: { dns: '*.example' } },
      many: { mtls: { dns: 'app-*.example' } },
      few: { mtls: { dns: 'app-eu-*.example' } },
      exact: { mtls: { dns: 'app-eu-7.example' } },
      both: { mtls: { dns: '*.example', uri: 'spiffe://a/*' } },
      one: { mtls: { fingerprint: 'cd'.repeat(32) } },
      other: { mtls: { dns: 'b.example' } },
      another: { mtls: { dns: 'c.example' } },
    };
    for (const order of [Object.entries(callers), Object.entries(callers).reverse()]) {
      const check = createCertificateCheck(Object.fromEntries(order));
      const known = (parts: Partial<PeerCertificate>) => check(certificate(parts), NOW);
      expect(known({ dnsNames: ['x.example'] })).toEqual({ name: 'any', method: 'mtls' });
      expect(known({ dnsNames: ['app-1.example'] })).toMatchObject({ name: 'many' });
      expect(known({ dnsNames: ['app-eu-1.example'] })).toMatchObject({ name: 'few' });
      expect(known({ dnsNames: ['app-eu-7.example'] })).toMatchObject({ name: 'exact' });
      expect(known({ dnsNames: ['app-eu-7.example'], uris: ['spiffe://a/b'] })).toMatchObject({ name: 'both' });
      const fingerprint = 'cd'.repeat(32);
      expect(known({ dnsNames: ['app-eu-7.example'], uris: ['spiffe://a/b'], fingerprint })).toMatchObject({ name: 'one' });
      expect(known({ dnsNames: ['b.example', 'c.example'] })).toMatchObject({ name: 'another' });
      expect(known({})).toBe('refused');
    }
  });

  test('B06 the validity is looked at for each request, also of a certificate that was accepted before', () => {
    const check = createCertificateCheck({ reports: { mtls: { dns: 'a.example' } } });
    const presented = certificate({ dnsNames: ['a.example'] });
    const at = (nowAt: number) => check(presented, nowAt) !== 'refused';
    expect([NOW - 1_001, NOW - 1_000, NOW, NOW + 1_000, NOW + 1_001, NOW].map(at)).toEqual([false, true, true, true, false, true]);
    expect(check(certificate({ dnsNames: ['a.example'], notAfterAt: Number.NaN }), NOW)).toBe('refused');
  });
});
