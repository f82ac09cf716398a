/** Certificates for tests, made in the process: an authority, servers, and clients good and bad. */

import 'reflect-metadata';
import { createHash, webcrypto } from 'node:crypto';
import * as x509 from '@peculiar/x509';

x509.cryptoProvider.set(webcrypto);

const HOUR_MS = 3_600_000;
const EC: webcrypto.EcKeyGenParams & webcrypto.EcdsaParams = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' };
const EXTENDED_USAGES = { server: x509.ExtendedKeyUsage.serverAuth, client: x509.ExtendedKeyUsage.clientAuth };

export interface LeafOptions {
  readonly commonName?: string;
  readonly dns?: readonly string[];
  readonly uri?: readonly string[];
  readonly ip?: readonly string[];
  /** Extended key usage; an empty list leaves the extension out. */
  readonly usage?: readonly ('server' | 'client')[];
  /** Default: from an hour ago until tomorrow. */
  readonly validity?: 'expired' | 'future' | { readonly notBeforeAt: number; readonly notAfterAt: number };
  /** Default P-256. OpenSSL refuses to load an RSA key of 1024 bits unless the ciphers say `@SECLEVEL=0`. */
  readonly key?: 'rsa-1024' | 'rsa-2048';
}

/** A certificate with its key, all PEM. */
export interface Identity {
  /** Leaf first, then the intermediates. */
  readonly cert: string;
  readonly key: string;
  readonly leaf: string;
  /** SHA-256 of the leaf, lower-case hex. */
  readonly fingerprint: string;
  readonly serialNumber: string;
}

export interface Authority {
  /** PEM of the authority itself. */
  readonly certificate: string;
  /** Any leaf. */
  issue(options: LeafOptions): Promise<Identity>;
  /** For `localhost`, `127.0.0.1` and `::1`. */
  issueServer(options?: LeafOptions): Promise<Identity>;
  /** With clientAuth and no names but those given. */
  issueClient(options: LeafOptions): Promise<Identity>;
  /** An authority below this one; its leaves come with its certificate. */
  intermediate(commonName: string, validity?: LeafOptions['validity']): Promise<Authority>;
  /** The same authority with the same key, by another certificate. */
  renewed(validity: LeafOptions['validity']): Promise<Authority>;
  /** A revocation list as OpenSSL reads it. */
  revocationList(revoked: readonly Identity[], options?: RevocationListOptions): Promise<string>;
}

/** Default: from two hours ago until tomorrow. */
export interface RevocationListOptions {
  readonly expired?: boolean;
  readonly thisUpdateAt?: number;
  readonly nextUpdateAt?: number | 'none';
}

interface Issuer {
  readonly certificate: x509.X509Certificate;
  readonly keys: webcrypto.CryptoKeyPair;
  /** PEM that leaves carry behind them: empty for a root. */
  readonly chain: string;
}

/** A new root authority. */
export async function createAuthority(commonName = 'Test Root', validity?: LeafOptions['validity']): Promise<Authority> {
  return rootOf(commonName, await generateKeys(undefined), validity);
}

async function rootOf(commonName: string, keys: webcrypto.CryptoKeyPair, validity: LeafOptions['validity']): Promise<Authority> {
  const certificate = await x509.X509CertificateGenerator.createSelfSigned({
    name: distinguishedName(commonName),
    keys,
    signingAlgorithm: EC,
    ...validityOf(validity),
    extensions: await authorityExtensions(keys.publicKey),
  });
  return authorityOf({ certificate, keys, chain: '' }, (other) => rootOf(commonName, keys, other));
}

/** A certificate that no authority vouches for. */
export async function createSelfSigned(options: LeafOptions): Promise<Identity> {
  const keys = await generateKeys(options.key);
  const certificate = await x509.X509CertificateGenerator.createSelfSigned({
    name: distinguishedName(options.commonName),
    keys,
    signingAlgorithm: signatureOf(keys),
    ...validityOf(options.validity),
    extensions: leafExtensions(options),
  });
  return identityOf(certificate, keys, '');
}

let shared: Promise<Authority> | undefined;

/** One authority for the whole test file, made at the first call. */
export function sharedAuthority(): Promise<Authority> {
  shared ??= createAuthority();
  return shared;
}

function authorityOf(issuer: Issuer, renewed: Authority['renewed']): Authority {
  const issue = async (options: LeafOptions) => {
    const keys = await generateKeys(options.key);
    const extensions = [...leafExtensions(options), await x509.AuthorityKeyIdentifierExtension.create(issuer.certificate)];
    return identityOf(await sign(issuer, options, keys, extensions), keys, issuer.chain);
  };
  return {
    certificate: pem(issuer.certificate),
    issue,
    issueServer: (options = {}) =>
      issue({ commonName: 'server', dns: ['localhost'], ip: ['127.0.0.1', '::1'], usage: ['server'], ...options }),
    issueClient: (options) => issue({ usage: ['client'], ...options }),
    intermediate: async (commonName, validity) => intermediateOf(issuer, commonName, await generateKeys(undefined), validity),
    renewed,
    revocationList: (revoked, options = {}) => revocationList(issuer, revoked, options),
  };
}

async function intermediateOf(
  issuer: Issuer,
  commonName: string,
  keys: webcrypto.CryptoKeyPair,
  validity: LeafOptions['validity'],
): Promise<Authority> {
  const extensions = [
    ...(await authorityExtensions(keys.publicKey)),
    await x509.AuthorityKeyIdentifierExtension.create(issuer.certificate),
  ];
  const certificate = await sign(issuer, { commonName, ...(validity === undefined ? {} : { validity }) }, keys, extensions);
  const itself = { certificate, keys, chain: pem(certificate) + issuer.chain };
  return authorityOf(itself, (other) => intermediateOf(issuer, commonName, keys, other));
}

function sign(
  issuer: Issuer,
  options: LeafOptions,
  keys: webcrypto.CryptoKeyPair,
  extensions: x509.Extension[],
): Promise<x509.X509Certificate> {
  return x509.X509CertificateGenerator.create({
    subject: distinguishedName(options.commonName),
    issuer: issuer.certificate.subject,
    publicKey: keys.publicKey,
    signingKey: issuer.keys.privateKey,
    signingAlgorithm: EC,
    ...validityOf(options.validity),
    extensions,
  });
}

async function revocationList(issuer: Issuer, revoked: readonly Identity[], options: RevocationListOptions): Promise<string> {
  const now = Date.now();
  const { expired = false, thisUpdateAt = now - 2 * HOUR_MS, nextUpdateAt = now + (expired ? -1 : 24) * HOUR_MS } = options;
  const list = await x509.X509CrlGenerator.create({
    issuer: issuer.certificate.subject,
    thisUpdate: new Date(thisUpdateAt),
    ...(nextUpdateAt === 'none' ? {} : { nextUpdate: new Date(nextUpdateAt) }),
    entries: revoked.map(({ serialNumber }) => ({ serialNumber, revocationDate: new Date(now - 2 * HOUR_MS) })),
    signingAlgorithm: EC,
    signingKey: issuer.keys.privateKey,
  });
  // The library's own label is CRL, which OpenSSL does not know.
  return wrapped('X509 CRL', list.rawData);
}

function leafExtensions(options: LeafOptions): x509.Extension[] {
  const names: x509.JsonGeneralNames = [
    ...(options.dns ?? []).map((value) => ({ type: 'dns' as const, value })),
    ...(options.uri ?? []).map((value) => ({ type: 'url' as const, value })),
    ...(options.ip ?? []).map((value) => ({ type: 'ip' as const, value })),
  ];
  const usages = (options.usage ?? []).map((usage) => EXTENDED_USAGES[usage]);
  return [
    new x509.BasicConstraintsExtension(false),
    ...(names.length === 0 ? [] : [new x509.SubjectAlternativeNameExtension(names)]),
    ...(usages.length === 0 ? [] : [new x509.ExtendedKeyUsageExtension(usages)]),
  ];
}

async function authorityExtensions(publicKey: webcrypto.CryptoKey): Promise<x509.Extension[]> {
  return [
    new x509.BasicConstraintsExtension(true, undefined, true),
    new x509.KeyUsagesExtension(x509.KeyUsageFlags.keyCertSign + x509.KeyUsageFlags.cRLSign, true),
    await x509.SubjectKeyIdentifierExtension.create(publicKey),
  ];
}

function validityOf(validity: LeafOptions['validity']): { notBefore: Date; notAfter: Date } {
  const now = Date.now();
  if (validity === 'expired') return { notBefore: new Date(now - 48 * HOUR_MS), notAfter: new Date(now - HOUR_MS) };
  if (validity === 'future') return { notBefore: new Date(now + HOUR_MS), notAfter: new Date(now + 48 * HOUR_MS) };
  if (validity === undefined) return { notBefore: new Date(now - HOUR_MS), notAfter: new Date(now + 24 * HOUR_MS) };
  return { notBefore: new Date(validity.notBeforeAt), notAfter: new Date(validity.notAfterAt) };
}

function generateKeys(kind: LeafOptions['key']): Promise<webcrypto.CryptoKeyPair> {
  if (kind === undefined) return webcrypto.subtle.generateKey(EC, true, ['sign', 'verify']);
  const modulusLength = Number(kind.slice('rsa-'.length));
  const rsa = { name: 'RSASSA-PKCS1-v1_5', hash: 'SHA-256', publicExponent: new Uint8Array([1, 0, 1]), modulusLength };
  return webcrypto.subtle.generateKey(rsa, true, ['sign', 'verify']);
}

function signatureOf(keys: webcrypto.CryptoKeyPair): webcrypto.Algorithm | webcrypto.EcdsaParams {
  return keys.privateKey.algorithm.name === EC.name ? EC : { name: 'RSASSA-PKCS1-v1_5' };
}

async function identityOf(certificate: x509.X509Certificate, keys: webcrypto.CryptoKeyPair, chain: string): Promise<Identity> {
  const leaf = pem(certificate);
  return {
    cert: leaf + chain,
    key: wrapped('PRIVATE KEY', await webcrypto.subtle.exportKey('pkcs8', keys.privateKey)),
    leaf,
    fingerprint: createHash('sha256').update(new Uint8Array(certificate.rawData)).digest('hex'),
    serialNumber: certificate.serialNumber,
  };
}

function distinguishedName(commonName: string | undefined): x509.JsonName {
  return commonName === undefined ? [] : [{ CN: [commonName] }];
}

function pem(certificate: x509.X509Certificate): string {
  return wrapped('CERTIFICATE', certificate.rawData);
}

/** With the newline at the end that makes PEM texts joinable. */
function wrapped(label: string, der: ArrayBuffer): string {
  const lines =
    Buffer.from(der)
      .toString('base64')
      .match(/.{1,64}/g) ?? [];
  return `-----BEGIN ${label}-----\n${lines.join('\n')}\n-----END ${label}-----\n`;
}
