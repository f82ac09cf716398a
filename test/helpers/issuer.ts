/** An issuer of JWTs for callers: keys of its own, any token signed with one, and a server where the public ones are found. */

import { randomUUID } from 'node:crypto';
import type { TlsOptions } from 'node:tls';
import { exportJWK, exportSPKI, generateKeyPair, type JWK, type JWTPayload, SignJWT } from 'jose';
import { jsonAnswer } from './scripted-answers.ts';
import { type Script, type ScriptedServer, startScriptedServer } from './scripted-server.ts';

export const AUDIENCE = 'token-broker';

export interface SigningKey {
  readonly alg: string;
  readonly kid: string;
  /** As it stands in a JWK set. */
  readonly jwk: JWK;
  readonly pem: string;
  /** @param header more of it, or other; `undefined` takes a member out */
  sign(claims: JWTPayload, header?: Readonly<Record<string, unknown>>): Promise<string>;
}

export async function createSigningKey(alg = 'ES256', kid: string = randomUUID()): Promise<SigningKey> {
  const { publicKey, privateKey } = await generateKeyPair(alg, { extractable: true });
  return {
    alg,
    kid,
    jwk: { ...(await exportJWK(publicKey)), kid, alg, use: 'sig' },
    pem: await exportSPKI(publicKey),
    sign(claims, header = {}) {
      // So that it signs what no honest issuer would.
      const crit = Object.fromEntries([header['crit'] ?? []].flat().map((name) => [name, true]));
      return new SignJWT(claims).setProtectedHeader({ alg, kid, typ: 'JWT', ...header }).sign(privateKey, { crit });
    },
  };
}

/** Of a token that is good at `now` (milliseconds), for an hour. */
export function claimsAt(now: number, issuer: string, more: Readonly<Record<string, unknown>> = {}): JWTPayload {
  const seconds = Math.floor(now / 1000);
  return { iss: issuer, aud: AUDIENCE, sub: 'batch-7', iat: seconds, exp: seconds + 3600, ...more };
}

export interface TestIssuer {
  readonly url: string;
  readonly server: ScriptedServer;
  /** What the JWK set holds: may be replaced. */
  keys: readonly JWK[];
  /** Instead of the ordinary answers. */
  answer: Script | undefined;
  /** How often the JWK set was asked for. */
  reads(): number;
  close(): Promise<void>;
}

/** With discovery by OpenID Connect and a JWK set at `/keys`. @param tls for one that is reached by TLS, as `127.0.0.1` */
export async function startIssuer(keys: readonly JWK[], tls?: TlsOptions): Promise<TestIssuer> {
  const ordinary: Script = ({ target }) => {
    if (target === '/keys') return jsonAnswer(200, { keys: issuer.keys });
    const found = target === '/.well-known/openid-configuration';
    // As Kubernetes has it: no endpoint but that of the keys.
    return found ? jsonAnswer(200, { issuer: issuer.url, jwks_uri: `${issuer.url}/keys` }) : jsonAnswer(404, {});
  };
  const server = await startScriptedServer({
    answer: (request, connection) => (issuer.answer ?? ordinary)(request, connection),
    ...(tls === undefined ? {} : { tls }),
  });
  const issuer: TestIssuer = {
    url: server.url,
    server,
    keys,
    answer: undefined,
    reads: () => server.requests.filter(({ target }) => target === '/keys').length,
    close: () => server.close(),
  };
  return issuer;
}
