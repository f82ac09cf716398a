/** How the authorization servers of docs/recipes.md answer by their documentation, and what they must have been asked. */

/** Of one token of a recipe. `$ISSUER` and `$SERVER` stand for the server's own. */
export interface VendorCall {
  /** The whole form but assertions; the request has exactly these fields. */
  readonly form: Readonly<Record<string, string>>;
  /** Id and secret of the Authorization field; absent: there is no such field. */
  readonly basic?: string;
  /** The field that holds a JWT, with what its header and its claims must have. */
  readonly jwt?: { readonly field: 'assertion' | 'client_assertion'; readonly header: object; readonly claims: object };
  /** The nonce that a first request without one is challenged for; absent: there is no proof of possession. */
  readonly dpopNonce?: string;
  /** A client certificate is on the connection. */
  readonly certificate?: true;
  readonly answer: Readonly<Record<string, unknown>>;
  /** The member of the answer whose origin the request goes to; absent: it goes to the route's upstream. */
  readonly upstreamField?: string;
  /** What is counted with. */
  readonly lifetimeSeconds: number;
}

export interface Vendor {
  /** Path of the token endpoint, from the metadata where the recipe names an issuer; by the name of the server in the recipe. */
  readonly endpoints: Readonly<Record<string, string>>;
  readonly calls: Readonly<Record<string, VendorCall>>;
}

const SECRET = 'a secret';
const CLIENT_ASSERTION = { client_assertion_type: 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer' };
const JWT_BEARER = { grant_type: 'urn:ietf:params:oauth:grant-type:jwt-bearer' };
const EXCHANGE = { grant_type: 'urn:ietf:params:oauth:grant-type:token-exchange', subject_token: 'e30.e30.c3ViamVjdA' };
const CLIENT_CREDENTIALS = { grant_type: 'client_credentials' };
const OPAQUE = 'eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJvcmRlcnMifQ.c2lnbmF0dXJl';

const selfIssued = (clientId: string, audience: string) => ({ iss: clientId, sub: clientId, aud: audience });

const keycloakAnswer = {
  access_token: OPAQUE,
  expires_in: 300,
  refresh_expires_in: 0,
  token_type: 'Bearer',
  'not-before-policy': 0,
  scope: 'profile email',
};

const keycloak: Vendor = {
  endpoints: { keycloak: '/realms/REALM/protocol/openid-connect/token' },
  calls: {
    'by-secret': {
      form: { ...CLIENT_CREDENTIALS, scope: 'orders' },
      basic: `orders-sidecar:${SECRET}`,
      answer: keycloakAnswer,
      lifetimeSeconds: 300,
    },
    'by-key': {
      form: { ...CLIENT_CREDENTIALS, ...CLIENT_ASSERTION, client_id: 'orders-sidecar' },
      jwt: { field: 'client_assertion', header: { alg: 'RS256', kid: 'orders-2026' }, claims: selfIssued('orders-sidecar', '$ISSUER') },
      answer: keycloakAnswer,
      lifetimeSeconds: 300,
    },
    'by-certificate': {
      form: { ...CLIENT_CREDENTIALS, client_id: 'orders-sidecar' },
      certificate: true,
      answer: keycloakAnswer,
      lifetimeSeconds: 300,
    },
    'by-password': {
      form: { grant_type: 'password', username: 'bookkeeper', password: 'a password' },
      basic: `orders-sidecar:${SECRET}`,
      answer: { ...keycloakAnswer, refresh_expires_in: 1800, refresh_token: OPAQUE, session_state: 'c2' },
      lifetimeSeconds: 300,
    },
    exchange: {
      form: { ...EXCHANGE, subject_token_type: 'urn:ietf:params:oauth:token-type:access_token', audience: 'shipping' },
      basic: `orders-sidecar:${SECRET}`,
      answer: { ...keycloakAnswer, issued_token_type: 'urn:ietf:params:oauth:token-type:access_token' },
      lifetimeSeconds: 300,
    },
  },
};

const entraAnswer = { token_type: 'Bearer', expires_in: 3599, ext_expires_in: 3599, access_token: OPAQUE };
const entraForm = { client_id: 'APPLICATION-ID', scope: 'api://ORDERS-API/.default' };

const entra: Vendor = {
  endpoints: { entra: '/TENANT-ID/oauth2/v2.0/token' },
  calls: {
    'by-secret': { form: { ...CLIENT_CREDENTIALS, ...entraForm, client_secret: SECRET }, answer: entraAnswer, lifetimeSeconds: 3599 },
    'by-certificate': {
      form: { ...CLIENT_CREDENTIALS, ...entraForm, ...CLIENT_ASSERTION },
      jwt: {
        field: 'client_assertion',
        header: { alg: 'PS256', typ: 'JWT', 'x5t#S256': '$THUMBPRINT' },
        claims: selfIssued('APPLICATION-ID', 'https://login.microsoftonline.com/TENANT-ID/oauth2/v2.0/token'),
      },
      answer: entraAnswer,
      lifetimeSeconds: 3599,
    },
    'by-workload': {
      form: { ...CLIENT_CREDENTIALS, ...entraForm, ...CLIENT_ASSERTION, client_assertion: 'e30.e30.d29ya2xvYWQ' },
      answer: entraAnswer,
      lifetimeSeconds: 3599,
    },
    'on-behalf-of': {
      form: {
        ...JWT_BEARER,
        ...entraForm,
        client_secret: SECRET,
        assertion: 'e30.e30.c3ViamVjdA',
        requested_token_use: 'on_behalf_of',
      },
      answer: { ...entraAnswer, scope: 'api://ORDERS-API/access' },
      lifetimeSeconds: 3599,
    },
  },
};

const okta: Vendor = {
  endpoints: { okta: '/oauth2/v1/token', 'okta-default': '/oauth2/default/v1/token' },
  calls: {
    'okta-api': {
      form: { ...CLIENT_CREDENTIALS, ...CLIENT_ASSERTION, client_id: 'CLIENT-ID', scope: 'okta.users.read' },
      jwt: {
        field: 'client_assertion',
        header: { alg: 'RS256', kid: 'KEY-ID' },
        claims: selfIssued('CLIENT-ID', 'https://acme.okta.com/oauth2/v1/token'),
      },
      dpopNonce: 'a-nonce-of-okta',
      answer: { token_type: 'DPoP', expires_in: 3600, access_token: OPAQUE, scope: 'okta.users.read' },
      lifetimeSeconds: 3600,
    },
    'own-api': {
      form: { ...CLIENT_CREDENTIALS, scope: 'orders.read' },
      basic: `CLIENT-ID:${SECRET}`,
      answer: { token_type: 'Bearer', expires_in: 3600, access_token: OPAQUE, scope: 'orders.read' },
      lifetimeSeconds: 3600,
    },
  },
};

const auth0Answer = { access_token: OPAQUE, scope: 'read:orders', expires_in: 86_400, token_type: 'Bearer' };
const auth0Form = { client_id: 'CLIENT-ID', audience: 'https://orders.acme.example' };

const auth0: Vendor = {
  endpoints: { auth0: '/oauth/token' },
  calls: {
    'by-secret': { form: { ...CLIENT_CREDENTIALS, ...auth0Form, client_secret: SECRET }, answer: auth0Answer, lifetimeSeconds: 86_400 },
    'by-key': {
      form: { ...CLIENT_CREDENTIALS, ...auth0Form, ...CLIENT_ASSERTION },
      jwt: { field: 'client_assertion', header: { alg: 'RS256' }, claims: selfIssued('CLIENT-ID', '$ISSUER') },
      answer: auth0Answer,
      lifetimeSeconds: 86_400,
    },
    'by-password': {
      form: {
        ...auth0Form,
        grant_type: 'password',
        client_secret: SECRET,
        username: 'bookkeeper@acme.example',
        password: 'a password',
        scope: 'read:orders',
      },
      answer: auth0Answer,
      lifetimeSeconds: 86_400,
    },
  },
};

const cognito: Vendor = {
  endpoints: { cognito: '/oauth2/token' },
  calls: {
    orders: {
      form: { ...CLIENT_CREDENTIALS, scope: 'orders/read orders/write' },
      basic: `CLIENT-ID:${SECRET}`,
      answer: { access_token: OPAQUE, expires_in: 3600, token_type: 'Bearer' },
      lifetimeSeconds: 3600,
    },
  },
};

const pingfederateAnswer = { access_token: '0001pHQMEs2wGYGYBRTCtBkfKxJy', token_type: 'Bearer', expires_in: 7199 };

const pingfederate: Vendor = {
  endpoints: { pingfederate: '/as/token.oauth2' },
  calls: {
    'by-secret': {
      form: { ...CLIENT_CREDENTIALS, scope: 'orders', access_token_manager_id: 'jwt' },
      basic: `orders-sidecar:${SECRET}`,
      answer: pingfederateAnswer,
      lifetimeSeconds: 7199,
    },
    'by-password': {
      form: { grant_type: 'password', username: 'bookkeeper', password: 'a password', validator_id: 'directory' },
      basic: `orders-sidecar:${SECRET}`,
      answer: { ...pingfederateAnswer, refresh_token: 'x3L9' },
      lifetimeSeconds: 7199,
    },
    'by-saml': {
      form: {
        grant_type: 'urn:ietf:params:oauth:grant-type:saml2-bearer',
        assertion: Buffer.from('<Assertion ID="_1"></Assertion>').toString('base64url'),
      },
      basic: `orders-sidecar:${SECRET}`,
      answer: pingfederateAnswer,
      lifetimeSeconds: 7199,
    },
    exchange: {
      form: {
        ...EXCHANGE,
        subject_token_type: 'urn:ietf:params:oauth:token-type:jwt',
        requested_token_type: 'urn:ietf:params:oauth:token-type:access_token',
      },
      basic: `orders-sidecar:${SECRET}`,
      answer: { ...pingfederateAnswer, issued_token_type: 'urn:ietf:params:oauth:token-type:access_token' },
      lifetimeSeconds: 7199,
    },
  },
};

const pingone: Vendor = {
  endpoints: { pingone: '/ENVIRONMENT-ID/as/token' },
  calls: {
    orders: {
      form: { ...CLIENT_CREDENTIALS, scope: 'orders:read' },
      basic: `CLIENT-ID:${SECRET}`,
      answer: { access_token: OPAQUE, token_type: 'Bearer', expires_in: 3600, scope: 'orders:read' },
      lifetimeSeconds: 3600,
    },
  },
};

const salesforceAnswer = {
  access_token: '00D5e000001N20Q!ASAAQEDBeG8bOwPu8NWGsvFwWNfqHOp5ZcjMpFsU6yEMxTKdBuRXNzSZ8xGVyAiY8xoy1KYkaadzRlA2F5Zd3JXqLVitOdNS',
  signature: 'c2lnbmF0dXJl',
  scope: 'api',
  instance_url: 'https://MYDOMAIN.my.salesforce.com',
  id: 'https://login.salesforce.com/id/00D5e000001N20QEAS/0055e000003E8ooAAC',
  token_type: 'Bearer',
  issued_at: '1795348800000',
};

const salesforce: Vendor = {
  endpoints: { salesforce: '/services/oauth2/token' },
  calls: {
    'by-secret': {
      form: { ...CLIENT_CREDENTIALS, client_id: 'CONSUMER-KEY', client_secret: SECRET },
      answer: salesforceAnswer,
      upstreamField: 'instance_url',
      lifetimeSeconds: 3600,
    },
    'by-user': {
      form: JWT_BEARER,
      jwt: {
        field: 'assertion',
        header: { alg: 'RS256' },
        claims: { iss: 'CONSUMER-KEY', sub: 'robot@acme.example', aud: 'https://login.salesforce.com' },
      },
      answer: salesforceAnswer,
      upstreamField: 'instance_url',
      lifetimeSeconds: 3600,
    },
  },
};

const google: Vendor = {
  endpoints: { google: '/token' },
  calls: {
    sheets: {
      form: JWT_BEARER,
      jwt: {
        field: 'assertion',
        header: { alg: 'RS256', typ: 'JWT', kid: 'KEY-ID' },
        claims: {
          iss: 'robot@PROJECT.iam.gserviceaccount.com',
          aud: 'https://oauth2.googleapis.com/token',
          scope: 'https://www.googleapis.com/auth/spreadsheets',
        },
      },
      answer: { access_token: `ya29.c.b0Aaekm1K${'.'.repeat(900)}`, expires_in: 3599, token_type: 'Bearer' },
      lifetimeSeconds: 3599,
    },
  },
};

const docusign: Vendor = {
  endpoints: { docusign: '/oauth/token' },
  calls: {
    envelopes: {
      form: JWT_BEARER,
      jwt: {
        field: 'assertion',
        header: { alg: 'RS256' },
        claims: { iss: 'INTEGRATION-KEY', sub: 'USER-ID', aud: 'account.docusign.com', scope: 'signature impersonation' },
      },
      answer: { access_token: OPAQUE, token_type: 'Bearer', expires_in: 3600, scope: 'signature impersonation' },
      lifetimeSeconds: 3600,
    },
  },
};

const apigee: Vendor = {
  endpoints: { apigee: '/oauth/token' },
  calls: {
    orders: {
      form: CLIENT_CREDENTIALS,
      basic: `CONSUMER-KEY:${SECRET}`,
      answer: {
        refresh_token_expires_in: '0',
        api_product_list: '[orders]',
        organization_name: 'acme',
        token_type: 'BearerToken',
        issued_at: '1795348800000',
        client_id: 'CONSUMER-KEY',
        access_token: 'pTg0LbtiV9Ap1UEi6jhQ0HAiLUpY',
        scope: '',
        expires_in: '1799',
        status: 'approved',
      },
      lifetimeSeconds: 1799,
    },
  },
};

/** By the heading of the recipe. */
export const VENDORS: Readonly<Record<string, Vendor>> = {
  Keycloak: keycloak,
  'Microsoft Entra ID': entra,
  Okta: okta,
  Auth0: auth0,
  'Amazon Cognito': cognito,
  PingFederate: pingfederate,
  PingOne: pingone,
  Salesforce: salesforce,
  'Google service accounts': google,
  DocuSign: docusign,
  Apigee: apigee,
};
