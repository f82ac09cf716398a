/** An upstream that believes no token: it verifies JWTs, and the proofs and certificates that they are bound to, with cryptography of its own. */

import { createHash, createPublicKey, type JsonWebKey, randomBytes, verify, type X509Certificate } from 'node:crypto';
import { TLSSocket, type TlsOptions } from 'node:tls';
import { request } from './http-client.ts';
import { answerWith } from './scripted-answers.ts';
import { type ScriptedRequest, type ScriptedServer, startScriptedServer } from './scripted-server.ts';

/** One request, as far as it concerns the token; `fault` is what is wrong with it. */
export interface Visit {
  readonly target: string;
  readonly token: string | undefined;
  readonly proof: Record<string, unknown> | undefined;
  readonly fault: string | undefined;
}

export interface ResourceServer extends ScriptedServer {
  readonly visits: readonly Visit[];
  /** The nonce that proofs must hold; `undefined` for none. */
  nonce: string | undefined;
  /** Every answer gives a new nonce, and only that one is good from then on. */
  rotateNonce: boolean;
  /** Tokens that are good no more. */
  readonly revoked: Set<string>;
}

export interface ResourceServerOptions {
  readonly issuer: string;
  /** PEM of the authority behind the issuer's TLS. */
  readonly ca: string;
  readonly tls?: TlsOptions;
  /** What requests must believe the server's address to be; default: its own. */
  readonly origin?: string;
}

const sha256 = (data: string | Buffer) => createHash('sha256').update(data).digest('base64url');
const parsed = (part = '') => JSON.parse(Buffer.from(part, 'base64url').toString()) as Record<string, unknown>;

/** Checks an ES256 JWT and gives its claims. */
function claimsOf(jwt: string, keys: readonly JsonWebKey[]): Record<string, unknown> | undefined {
  const [header, claims, signature = ''] = jwt.split('.');
  const input = Buffer.from(`${header}.${claims}`);
  const signed = keys.some((key) =>
    verify(
      'sha256',
      input,
      { key: createPublicKey({ key, format: 'jwk' }), dsaEncoding: 'ieee-p1363' },
      Buffer.from(signature, 'base64url'),
    ),
  );
  return signed && parsed(header)['alg'] === 'ES256' ? parsed(claims) : undefined;
}

/** RFC 7638. */
function thumbprint({ crv, kty, x, y }: JsonWebKey): string {
  return sha256(JSON.stringify({ crv, kty, x, y }));
}

export async function startResourceServer({ issuer, ca, tls, origin }: ResourceServerOptions): Promise<ResourceServer> {
  const keys = ((await request(`${issuer}/jwks`, { tls: { ca } })).json() as { keys: JsonWebKey[] }).keys;
  const visits: Visit[] = [];
  const usedProofs = new Set<unknown>();
  const proofs = (asked: ScriptedRequest): Record<string, unknown>[] => asked.field('dpop').map((value) => parsed(value.split('.')[1]));

  const faultOfProof = (asked: ScriptedRequest, token: string, bound: string): string | undefined => {
    const fields = asked.field('dpop');
    if (fields.length !== 1) return `${fields.length} proofs`;
    const { typ, jwk } = parsed(fields[0]?.split('.')[0]) as { typ?: string; jwk: JsonWebKey };
    const proof = claimsOf(fields[0] as string, [jwk]);
    if (proof === undefined) return 'signature of the proof';
    const replayed = usedProofs.has(proof['jti']);
    usedProofs.add(proof['jti']);
    const expected = {
      htm: asked.method,
      htu: `${origin ?? server.url}${asked.target.split('?')[0]}`,
      ath: sha256(token),
      nonce: server.nonce,
    };
    const wrong = Object.entries(expected).filter(([name, value]) => proof[name] !== value);
    if (wrong.length > 0) return wrong.map(([name]) => name).join(' ');
    if (Math.abs(Date.now() / 1000 - (proof['iat'] as number)) > 60) return 'iat';
    if (typ !== 'dpop+jwt' || jwk.d !== undefined) return 'header of the proof';
    if (replayed || typeof proof['jti'] !== 'string') return 'jti';
    return thumbprint(jwk) === bound ? undefined : 'key';
  };

  const faultOf = (asked: ScriptedRequest, certificate: X509Certificate | undefined): string | undefined => {
    const [scheme, token = ''] = asked.field('authorization')[0]?.split(' ') ?? [];
    const claims = token.split('.').length === 3 ? claimsOf(token, keys) : undefined;
    if (claims === undefined) return 'token';
    if (server.revoked.has(token)) return 'revoked';
    const { jkt, 'x5t#S256': x5t } = (claims['cnf'] ?? {}) as Record<string, string | undefined>;
    if (jkt === undefined && x5t === undefined) return 'unbound';
    if (x5t !== undefined && (certificate === undefined || sha256(certificate.raw) !== x5t)) return 'certificate';
    if (scheme !== (jkt === undefined ? 'Bearer' : 'DPoP')) return 'scheme';
    return jkt === undefined ? undefined : faultOfProof(asked, token, jkt);
  };

  const scripted = await startScriptedServer({
    ...(tls === undefined ? {} : { tls }),
    answer: (asked, { socket }) => {
      const fault = faultOf(asked, socket instanceof TLSSocket ? socket.getPeerX509Certificate() : undefined);
      visits.push({ target: asked.target, token: asked.field('authorization')[0]?.split(' ')[1], proof: proofs(asked)[0], fault });
      if (server.rotateNonce) server.nonce = randomBytes(8).toString('hex');
      const given = server.nonce === undefined ? [] : [`DPoP-Nonce: ${server.nonce}`];
      if (fault === undefined) return answerWith(200, given, 'ok');
      const error = fault === 'nonce' ? 'use_dpop_nonce' : 'invalid_token';
      const scheme = asked.field('dpop').length === 0 ? 'Bearer' : 'DPoP';
      return answerWith(401, [...given, `WWW-Authenticate: ${scheme} error="${error}"`], fault);
    },
  });
  const server: ResourceServer = Object.assign(scripted, { visits, nonce: undefined, rotateNonce: false, revoked: new Set<string>() });
  return server;
}
