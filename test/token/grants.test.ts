import { afterAll, beforeEach, describe, expect, test } from '@jest/globals';
import nock from 'nock';
import { AuthorizationServer } from '../../src/authorization-server/authorization-server.ts';
import { authorizationServer as serverSchema } from '../../src/config/schema/authorization-servers.ts';
import { token as tokenSchema } from '../../src/config/schema/tokens.ts';
import { FakeClock } from '../helpers/fake-clock.ts';
import { grantOf } from '../helpers/grant.ts';

/** What stood in one token request. */
interface Sent {
  form: string;
  headers: Record<string, string>;
}

let sent: Sent[] = [];

beforeEach(() => {
  sent = [];
  nock.disableNetConnect();
  nock('https://login.acme.example')
    .post('/oauth/token')
    .reply(200, async (request: Request) => {
      sent.push({ form: await request.text(), headers: Object.fromEntries(request.headers) });
      return { access_token: 'golden', token_type: 'Bearer', expires_in: 60, refresh_token: 'ignored' };
    });
});

afterAll(() => nock.restore());

const clock = new FakeClock();

function server() {
  return new AuthorizationServer(serverSchema.parse({ tokenEndpoint: 'https://login.acme.example/oauth/token' }), clock);
}

const ODD = { clientId: 'id ~/+&=%ü', secret: 's:e c~/+&=%ü' };

function config(method: string, more: Record<string, unknown> = {}) {
  return tokenSchema.parse({
    authorizationServer: 'as',
    grant: 'client_credentials',
    clientId: ODD.clientId,
    clientAuthentication: { method, secret: { unsafeInline: ODD.secret } },
    ...more,
  });
}

describe('token request', () => {
  test('T01 client_secret_basic form-encodes id and secret into one Authorization field (RFC 6749 appendix B)', async () => {
    const parsed = config('client_secret_basic', {
      scope: 'a b',
      audience: 'https://api',
      resource: ['https://r.example/1', 'https://r.example/2'],
      parameters: { x: 'y z' },
    });
    await grantOf(parsed, server(), clock).get();
    const { form, headers } = sent[0] as Sent;
    expect(Buffer.from(headers['authorization']?.split(' ')[1] ?? '', 'base64').toString()).toBe(
      'id+%7E%2F%2B%26%3D%25%C3%BC:s%3Ae+c%7E%2F%2B%26%3D%25%C3%BC',
    );
    expect(headers['content-type']).toMatch(/^application\/x-www-form-urlencoded/);
    expect(headers['accept']).toBe('application/json');
    const fields = new URLSearchParams(form);
    expect(fields.get('grant_type')).toBe('client_credentials');
    expect(fields.getAll('scope')).toEqual(['a b']);
    expect(fields.getAll('audience')).toEqual(['https://api']);
    expect(fields.get('x')).toBe('y z');
    expect(fields.getAll('resource')).toEqual(['https://r.example/1', 'https://r.example/2']);
    expect(form).not.toMatch(/client_secret|client_id/);
  });

  test('T01 client_secret_post puts both into the form, and nothing into a field', async () => {
    const parsed = config('client_secret_post', { headers: { 'X-Tenant': 'acme' } });
    await grantOf(parsed, server(), clock).get();
    const { form, headers } = sent[0] as Sent;
    expect(Object.fromEntries(new URLSearchParams(form))).toEqual({
      grant_type: 'client_credentials',
      client_id: ODD.clientId,
      client_secret: ODD.secret,
    });
    expect(headers['authorization']).toBeUndefined();
    expect(headers['x-tenant']).toBe('acme');
  });

  test("T01 the password grant sends the resource owner's name and password", async () => {
    const parsed = config('client_secret_post', {
      grant: 'password',
      resourceOwner: { username: 'ann é', password: { unsafeInline: 'p&w=1' } },
    });
    const token = await grantOf(parsed, server(), clock).get();
    expect(Object.fromEntries(new URLSearchParams(sent[0]?.form))).toMatchObject({
      grant_type: 'password',
      username: 'ann é',
      password: 'p&w=1',
    });
    expect(token.reveal()).toBe('golden');
  });

  test('T13 a refresh token in the answer to client_credentials is ignored', async () => {
    const token = await grantOf(config('client_secret_basic'), server(), clock).get();
    expect(JSON.stringify(token)).not.toContain('ignored');
    expect(Object.keys(token)).not.toContain('refreshToken');
  });

  test('a token counts its age from when it was asked for, and shows itself by its fingerprint only', async () => {
    const token = await grantOf(config('client_secret_basic'), server(), clock).get();
    expect(token.requestedAt).toBe(clock.now());
    expect(`${token} ${JSON.stringify({ token })}`).not.toContain('golden');
    expect(token.fingerprint).toMatch(/^[0-9a-f]{8}$/);
  });
});
