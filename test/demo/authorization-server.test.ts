import { afterAll, beforeAll, beforeEach, describe, expect, jest, test } from '@jest/globals';
import * as oauth from 'openid-client';
import { CLIENTS, startAuthorizationServer, type TestAuthorizationServer, USER } from '../helpers/authorization-server.ts';
import { request } from '../helpers/http-client.ts';

let server: TestAuthorizationServer;
const warnings = [jest.spyOn(console, 'warn'), jest.spyOn(console, 'info'), jest.spyOn(console, 'error')];
let before = 0;

beforeAll(async () => {
  server = await startAuthorizationServer({ lifetimeSeconds: 42 });
});
beforeEach(() => {
  before = server.requests.length;
});
afterAll(async () => {
  await server.close();
});

type Client = (typeof CLIENTS)[keyof typeof CLIENTS];

async function discover(
  client: Client,
  secret: string = client.secret,
  algorithm: 'oidc' | 'oauth2' = 'oauth2',
): Promise<oauth.Configuration> {
  const authentication =
    client.clientAuthentication === 'client_secret_basic' ? oauth.ClientSecretBasic(secret) : oauth.ClientSecretPost(secret);
  const customFetch: oauth.CustomFetch = async (url, { method, headers, body }) => {
    const answer = await request(url, { method, fields: headers, tls: { ca: server.ca }, ...(body ? { body: String(body) } : {}) });
    const fields = [...answer.fields.entries()].flatMap(([i, name]) => (i % 2 === 0 ? [[name, answer.fields[i + 1] as string]] : []));
    return new Response(new Uint8Array(answer.body), { status: answer.status, headers: fields as [string, string][] });
  };
  return oauth.discovery(new URL(server.issuer), client.clientId, undefined, authentication, {
    algorithm,
    [oauth.customFetch]: customFetch,
  });
}

const asked = () => server.requests.slice(before);

describe('the demo authorization server', () => {
  test('issues a token for client credentials sent as Basic', async () => {
    const answer = await oauth.clientCredentialsGrant(await discover(CLIENTS.orders), { scope: 'orders.read' });
    expect(answer).toMatchObject({ token_type: 'bearer', expires_in: 42, scope: 'orders.read' });
    expect(answer.access_token).toBe(server.issued.at(-1));
    expect(asked()).toEqual([
      {
        path: '/token',
        grant: 'client_credentials',
        clientId: 'orders-sidecar',
        clientAuthentication: 'client_secret_basic',
        scope: 'orders.read',
        status: 200,
        error: undefined,
      },
    ]);
  });

  test('issues a token for a user name and password, the client secret in the form', async () => {
    const answer = await oauth.genericGrantRequest(await discover(CLIENTS.ledger), 'password', { ...USER, scope: 'ledger.read' });
    expect(answer).toMatchObject({ token_type: 'bearer', expires_in: 42, scope: 'ledger.read' });
    expect(asked()).toMatchObject([{ grant: 'password', clientAuthentication: 'client_secret_post', status: 200 }]);
  });

  test.each(['oidc', 'oauth2'] as const)('answers %s discovery with its own issuer', async (algorithm) => {
    const metadata = (await discover(CLIENTS.orders, undefined, algorithm)).serverMetadata();
    expect(metadata.issuer).toBe(server.issuer);
    expect(metadata.token_endpoint).toBe(`${server.issuer}/token`);
  });

  test.each([CLIENTS.orders, CLIENTS.ledger])('refuses the wrong secret of $clientId with 401', async (client) => {
    const config = await discover(client, 'wrong');
    const grant = oauth.genericGrantRequest(config, client.grants[0], client.grants[0] === 'password' ? USER : {});
    await expect(grant).rejects.toMatchObject({ status: 401 });
    expect(asked()).toMatchObject([{ clientId: client.clientId, status: 401, error: 'invalid_client' }]);
  });

  test('refuses a wrong password with invalid_grant', async () => {
    const grant = oauth.genericGrantRequest(await discover(CLIENTS.ledger), 'password', { ...USER, password: 'wrong' });
    await expect(grant).rejects.toMatchObject({ status: 400, error: 'invalid_grant' });
    expect(asked()).toMatchObject([{ clientId: 'ledger-sidecar', status: 400, error: 'invalid_grant' }]);
  });

  test('refuses a grant that the client may not use', async () => {
    const grant = oauth.clientCredentialsGrant(await discover(CLIENTS.ledger));
    await expect(grant).rejects.toMatchObject({ status: 400, error: 'invalid_request' });
  });

  test.each([CLIENTS.orders, CLIENTS.ledger])('refuses $clientId a scope of another client', async (client) => {
    const config = await discover(client);
    const scope = client.grants[0] === 'password' ? 'orders.read' : 'ledger.read';
    const grant = oauth.genericGrantRequest(config, client.grants[0], client.grants[0] === 'password' ? { ...USER, scope } : { scope });
    await expect(grant).rejects.toMatchObject({ status: 400, error: 'invalid_scope' });
  });

  test.each([CLIENTS.orders, CLIENTS.ledger])('gives $clientId a JWT for a resource indicator', async (client) => {
    const config = await discover(client);
    const parameters = { ...(client.grants[0] === 'password' ? USER : {}), scope: client.scope, resource: 'https://api.example/' };
    const answer = await oauth.genericGrantRequest(config, client.grants[0], parameters);
    const claims = JSON.parse(Buffer.from(answer.access_token.split('.')[1] ?? '', 'base64url').toString()) as object;
    expect(claims).toMatchObject({ iss: server.issuer, aud: 'https://api.example/', scope: client.scope });
  });

  test('tells nothing secret in its events and nothing at all on the console', async () => {
    await oauth.clientCredentialsGrant(await discover(CLIENTS.orders));
    await oauth.genericGrantRequest(await discover(CLIENTS.ledger), 'password', USER);
    const told = JSON.stringify(server.requests);
    const secrets = [CLIENTS.orders.secret, CLIENTS.ledger.secret, USER.password, ...server.issued];
    for (const secret of secrets) expect(told).not.toContain(secret);
    for (const spy of warnings) expect(spy).not.toHaveBeenCalled();
  });
});
