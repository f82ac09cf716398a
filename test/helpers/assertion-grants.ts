/** The grants that oidc-provider lacks, taught to it for tests: every assertion's signature is verified with the trusted key. */

import { createHash, generateKeyPairSync, type KeyObject, sign, verify } from 'node:crypto';
import type { Context, errors, Provider } from 'oidc-provider';

export const ASSERTION_GRANTS = {
  token_exchange: 'urn:ietf:params:oauth:grant-type:token-exchange',
  jwt_bearer: 'urn:ietf:params:oauth:grant-type:jwt-bearer',
  saml2_bearer: 'urn:ietf:params:oauth:grant-type:saml2-bearer',
} as const;

/** Whoever vouches for the subjects. */
export interface AssertionIssuer {
  readonly publicKey: KeyObject;
  /** PEM, for assertions that the broker signs (`ES256`). */
  readonly privateKey: string;
  /** A JWT about that subject, for the token exchange. */
  jwt(subject: string): string;
  /** A signed SAML 2.0 assertion about it. */
  saml(subject: string, audience: string): string;
}

export function createAssertionIssuer(): AssertionIssuer {
  const { publicKey, privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const signature = (text: string) => sign('sha256', Buffer.from(text), { key: privateKey, dsaEncoding: 'ieee-p1363' });
  return {
    publicKey,
    privateKey: privateKey.export({ type: 'pkcs8', format: 'pem' }).toString(),
    jwt(subject) {
      const claims = { iss: 'https://idp.example', sub: subject, exp: Math.floor(Date.now() / 1000) + 600 };
      const input = [{ alg: 'ES256' }, claims].map((part) => Buffer.from(JSON.stringify(part)).toString('base64url')).join('.');
      return `${input}.${signature(input).toString('base64url')}`;
    },
    saml(subject, audience) {
      const content = `<saml:Issuer>https://idp.example</saml:Issuer><saml:Subject><saml:NameID>${subject}</saml:NameID></saml:Subject><saml:Conditions NotOnOrAfter="${new Date(Date.now() + 600_000).toISOString()}"><saml:AudienceRestriction><saml:Audience>${audience}</saml:Audience></saml:AudienceRestriction></saml:Conditions>`;
      const unsigned = samlAround(content);
      const signedInfo = `<ds:SignedInfo><ds:DigestValue>${digest(unsigned)}</ds:DigestValue></ds:SignedInfo>`;
      const value = `<ds:SignatureValue>${signature(signedInfo).toString('base64')}</ds:SignatureValue>`;
      return samlAround(`${content}<ds:Signature>${signedInfo}${value}</ds:Signature>`);
    },
  };
}

/** Registers the three grants; a subject is believed where `publicKey` vouches for it, for this server, and still. */
export function registerAssertionGrants(provider: Provider, refusals: typeof errors, { publicKey }: AssertionIssuer): void {
  const used = new Set<string>();
  const judges = {
    token_exchange: ({ subject_token: token }: Record<string, string | undefined>) => subjectOfJwt(token, publicKey),
    jwt_bearer: ({ assertion }: Record<string, string | undefined>) => {
      if (assertion === undefined || used.has(assertion)) return undefined;
      used.add(assertion);
      return subjectOfJwt(assertion, publicKey, provider.issuer);
    },
    saml2_bearer: ({ assertion }: Record<string, string | undefined>) =>
      assertion === undefined ? undefined : subjectOfSaml(Buffer.from(assertion, 'base64url').toString(), publicKey, provider.issuer),
  };
  for (const [grant, judge] of Object.entries(judges)) {
    const name = ASSERTION_GRANTS[grant as keyof typeof judges];
    const handle = async (context: Context) => {
      const { client, params = {} } = context.oidc ?? {};
      const accountId = judge(params as Record<string, string | undefined>);
      if (client === undefined || accountId === undefined) throw new refusals.InvalidGrant('the assertion is not acceptable');
      const token = new provider.AccessToken({ accountId, client, gty: grant });
      context.body = {
        access_token: await token.save(),
        token_type: token.tokenType,
        expires_in: token.expiration,
        ...(grant === 'token_exchange' ? { issued_token_type: 'urn:ietf:params:oauth:token-type:access_token' } : {}),
      };
    };
    provider.registerGrantType(name, handle, ['assertion', 'subject_token', 'subject_token_type', 'scope']);
  }
}

/** RFC 7523 §3; the audience where one is asked for. */
function subjectOfJwt(jwt: string | undefined, publicKey: KeyObject, audience?: string): string | undefined {
  const [header = '', claims = '', signature = ''] = jwt?.split('.') ?? [];
  if (!isSigned(`${header}.${claims}`, signature, 'base64url', publicKey)) return undefined;
  const { sub, aud, exp } = JSON.parse(Buffer.from(claims, 'base64url').toString()) as Record<string, unknown>;
  if (audience !== undefined && aud !== audience) return undefined;
  return typeof sub === 'string' && Number(exp) * 1000 > Date.now() ? sub : undefined;
}

/** RFC 7522 §3. The XML is canonical as it is made, so its bytes are what was signed. */
function subjectOfSaml(xml: string, publicKey: KeyObject, audience: string): string | undefined {
  const text = (element: string) => new RegExp(`<${element}>([^<]*)</${element}>`).exec(xml)?.[1];
  const signedInfo = /<ds:SignedInfo>.*<\/ds:SignedInfo>/.exec(xml)?.[0] ?? '';
  const unsigned = xml.replace(/<ds:Signature>.*<\/ds:Signature>/, '');
  const isGenuine =
    text('ds:DigestValue') === digest(unsigned) && isSigned(signedInfo, text('ds:SignatureValue') ?? '', 'base64', publicKey);
  const isForUs = text('saml:Audience') === audience && Date.parse(/NotOnOrAfter="([^"]+)"/.exec(xml)?.[1] ?? '') > Date.now();
  return isGenuine && isForUs ? text('saml:NameID') : undefined;
}

function isSigned(input: string, signature: string, encoding: 'base64' | 'base64url', publicKey: KeyObject): boolean {
  const key = { key: publicKey, dsaEncoding: 'ieee-p1363' as const };
  return verify('sha256', Buffer.from(input), key, Buffer.from(signature, encoding));
}

function samlAround(content: string): string {
  return `<saml:Assertion xmlns:saml="urn:oasis:names:tc:SAML:2.0:assertion" ID="_1" Version="2.0">${content}</saml:Assertion>`;
}

function digest(text: string): string {
  return createHash('sha256').update(text).digest('base64');
}
