/** `tokens`: what to obtain, as whom, and when to renew it. */

import * as z from 'zod';
import { fieldValueProblem } from '../contents.ts';
import { clientAuthentication, clientCertificate } from './client-authentication.ts';
import { jwtBearerKeys, passwordKeys, refreshTokenKeys, saml2BearerKeys, tokenExchangeKeys } from './grants.ts';
import { material } from './references.ts';
import { registration } from './registration.ts';
import { renew } from './renew.ts';
import { callerNames, fieldName, httpUrl, name, oneOrMore, size } from './values.ts';

/** Form fields of the protocol itself: they have keys of their own, or are not ours to send. */
const PROTOCOL_PARAMETERS = new Set([
  'grant_type',
  'client_id',
  'client_secret',
  'client_assertion',
  'client_assertion_type',
  'scope',
  'audience',
  'resource',
  'username',
  'password',
  'refresh_token',
  'assertion',
  'subject_token',
  'subject_token_type',
  'actor_token',
  'actor_token_type',
  'requested_token_type',
  'code',
]);

const parameters = z.record(z.string().min(1), z.string()).superRefine((map, context) => {
  for (const key of Object.keys(map)) {
    if (PROTOCOL_PARAMETERS.has(key))
      context.addIssue({
        code: 'custom',
        path: [key],
        message: 'is a protocol field; use the key of its own, such as "scope", "audience" or "resourceOwner"',
      });
  }
});

const FORBIDDEN_TOKEN_REQUEST_FIELDS = /^(?:authorization|dpop|content-type|content-length|transfer-encoding|host|connection|accept)$/i;

const DPOP_ALGORITHMS = ['ES256', 'EdDSA'] as const;

export type DpopAlgorithm = (typeof DPOP_ALGORITHMS)[number];

const dpop = z
  .union([z.boolean(), z.strictObject({ alg: z.enum(DPOP_ALGORITHMS).default('ES256').describe('How proofs are signed.') })])
  .default(false)
  .transform((value) => (value === true ? { alg: 'ES256' as const } : value || undefined));
const LABEL = '[A-Za-z0-9_-]+';
/** Two names at least stand behind the last `*`: nobody owns a top-level domain. */
const ORIGIN_PATTERN = new RegExp(
  `^https?://(?:(?:(?:\\*|${LABEL})\\.)*${LABEL}\\.${LABEL}|${LABEL}|\\[[0-9A-Fa-f:.]{2,45}\\])(?::\\d{1,5})?$`,
);

const upstreamFrom = z.strictObject({
  field: z
    .string()
    .regex(/^[A-Za-z0-9_.-]{1,100}$/, 'is not the name of a field')
    .refine((field) => !field.endsWith('_token'), 'is a field that holds a token; name one that holds a URL')
    .meta({ examples: ['instance_url'] })
    .describe("Member of the token answer. Where an answer lacks it, the origin of the route's own upstream counts."),
  allow: z
    .array(
      z
        .string()
        .refine(
          (text) => ORIGIN_PATTERN.test(text) && URL.canParse(text),
          'is not an origin; write scheme, host and port, with "*" for a whole label in front of two others at least',
        )
        .meta({ examples: ['https://*.my.salesforce.com'] }),
    )
    .min(1, 'is an empty list; give at least one origin')
    .describe('Origins that may be named; "*" stands for one label of the host. Any other is TOKEN_INVALID.'),
});

const shared = {
  authorizationServer: name.describe('Who issues it: a name under "authorizationServers".'),
  clientId: z
    .string()
    .min(1, 'is empty; give what the authorization server knows the client by')
    .max(1000)
    .meta({ examples: ['orders-sidecar'] })
    .optional()
    .describe('What the authorization server knows this client by. Needed, but with "registration" or where the grant proves enough.'),
  clientAuthentication: clientAuthentication.optional().describe('How we prove to be this client. Needed like "clientId".'),
  registration: registration
    .optional()
    .describe('Instead of both: the broker registers a client of its own at the server (RFC 7591), once, and keeps it in a file.'),
  scope: z
    .string()
    .regex(
      /^[\x21\x23-\x5b\x5d-\x7e]+(?: [\x21\x23-\x5b\x5d-\x7e]+)*$/,
      'is not a scope; write names separated by single spaces (RFC 6749 §3.3)',
    )
    .meta({ examples: ['orders.read orders.write'] })
    .optional()
    .describe('Scopes to ask for, separated by single spaces.'),
  onMissingScope: z
    .enum(['warn', 'refuse'])
    .default('warn')
    .describe(
      'Where less than "scope" is granted: "warn" uses the token and says so in the log, "refuse" does not use it (TOKEN_INVALID).',
    ),
  audience: oneOrMore(z.string().min(1, 'is empty; remove it'))
    .optional()
    .describe('For whom the token is meant: one form field "audience" for each, where the server wants it.'),
  resource: oneOrMore(httpUrl).optional().describe('Where the token is to be used (RFC 8707): one form field "resource" for each.'),
  parameters: parameters
    .optional()
    .describe('More form fields of the token request. Fields of the protocol have keys of their own and are refused here.'),
  headers: z
    .record(fieldName, material(fieldValueProblem))
    .superRefine((map, context) => {
      for (const key of Object.keys(map)) {
        if (FORBIDDEN_TOKEN_REQUEST_FIELDS.test(key))
          context.addIssue({ code: 'custom', path: [key], message: 'is set by the broker itself; remove it' });
      }
    })
    .optional()
    .describe('More header fields of the token request; values may be secrets.'),
  dpop: dpop.describe(
    'Binds the token to a key that lives in this process only (RFC 9449): each request carries a proof of its own. Not for the shared store.',
  ),
  certificateBound: z
    .union([z.boolean(), z.strictObject(clientCertificate)])
    .default(false)
    .describe(
      'The server binds the token to a client certificate (RFC 8705 §3), and its routes show their upstreams that certificate: that of "clientAuthentication" with true, else one that is given here for the binding alone.',
    ),
  maxSize: size({ min: 1, max: 65_536 }).prefault('8KiB').describe('Longest acceptable access token; a longer one is TOKEN_INVALID.'),
  upstreamFrom: upstreamFrom
    .optional()
    .describe('A field of the answer that names where the token is to be used; routes with this token then go there.'),
  revokeOnShutdown: z
    .boolean()
    .default(false)
    .describe(
      'Given back to the authorization server (RFC 7009) when the broker stops or the token is purged, with a refresh token that came with it. Not with a shared store, where others use it still.',
    ),
  callers: callerNames.describe(
    'Who is handed this token at a listener that serves "token-endpoint"; "*" is every authenticated caller, "anonymous" must be listed by name. Nothing listed: nobody.',
  ),
  renew: renew.prefault({}).describe('When a new one is obtained. The rule with its numbers is in docs/tokens.md.'),
};

const clientCredentials = z.strictObject({
  grant: z.literal('client_credentials').describe('The token is for the client itself (RFC 6749 §4.4).'),
  ...shared,
});

const password = z.strictObject({
  grant: z.literal('password').describe("The token is for a user's account (RFC 6749 §4.3; only where nothing better is offered)."),
  ...shared,
  ...passwordKeys,
});

const refreshToken = z
  .strictObject({
    grant: z.literal('refresh_token').describe('The token is for whom the refresh token was issued (RFC 6749 §6).'),
    ...shared,
    ...refreshTokenKeys,
  })
  .refine((token) => (token.persist === undefined) === (token.persistKey === undefined), 'needs "persist" and "persistKey" together');

const tokenExchange = z.strictObject({
  grant: z.literal('token_exchange').describe('The token stands in for another, kept in a file or brought by the caller (RFC 8693).'),
  ...shared,
  ...tokenExchangeKeys,
});

const jwtBearer = z.strictObject({
  grant: z.literal('jwt_bearer').describe('The token is for whom a signed JWT names (RFC 7523 §2.1), such as a service account.'),
  ...shared,
  ...jwtBearerKeys,
});

const saml2Bearer = z.strictObject({
  grant: z.literal('saml2_bearer').describe('The token is for whom a SAML 2.0 assertion names (RFC 7522).'),
  ...shared,
  ...saml2BearerKeys,
});

const grants = [clientCredentials, password, refreshToken, tokenExchange, jwtBearer, saml2Bearer] as const;

/** An assertion proves enough: the client may say nothing of itself (RFC 7521 §4.1). */
const ASSERTION_GRANTS: readonly string[] = ['jwt_bearer', 'saml2_bearer'];

export const token = z
  .discriminatedUnion('grant', grants, {
    error: `is not a supported grant; use one of ${grants.map(({ shape }) => `"${shape.grant.value}"`).join(', ')}`,
  })
  .superRefine(({ grant, clientId, clientAuthentication: authentication, registration: ownClient }, context) => {
    const issue = (key: string, message: string) => context.addIssue({ code: 'custom', path: [key], message });
    if (ownClient === undefined) {
      const isNamed = clientId !== undefined || (ASSERTION_GRANTS.includes(grant) && authentication === undefined);
      if (!isNamed) issue('clientId', 'is missing');
      if (authentication === undefined && !ASSERTION_GRANTS.includes(grant)) issue('clientAuthentication', 'is missing');
      return;
    }
    if (clientId !== undefined) issue('clientId', 'comes from the "registration"; remove one of the two');
    if (authentication !== undefined) issue('clientAuthentication', 'stands in "registration" where there is one; move it there');
    if (grant === 'refresh_token') issue('registration', 'is of no use: a refresh token is good for the client that it was issued to only');
  });

export type TokenConfig = z.output<typeof token>;
/** One whose resource owner or subject is there: `"caller"` has been filled in by one. */
export type GrantConfig<Token = TokenConfig> = Token extends unknown ? { [Key in keyof Token]: Exclude<Token[Key], 'caller'> } : never;
export type RenewConfig = TokenConfig['renew'];
