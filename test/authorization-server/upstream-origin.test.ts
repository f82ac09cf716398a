import { describe, expect, test } from '@jest/globals';
import { allowedOrigin } from '../../src/authorization-server/upstream-origin.ts';
import { token } from '../../src/config/schema/tokens.ts';

const rule = { field: 'instance_url', allow: ['https://*.my.salesforce.com', 'https://*.*.sandbox.example:8443', 'http://127.0.0.1:8080'] };

describe('an origin that a token answer names', () => {
  test.each([
    ['https://acme.my.salesforce.com', 'https://acme.my.salesforce.com'],
    ['https://acme.my.salesforce.com/', 'https://acme.my.salesforce.com'],
    ['https://Acme--dev.My.Salesforce.com:443', 'https://acme--dev.my.salesforce.com'],
    ['https://a.b.sandbox.example:8443', 'https://a.b.sandbox.example:8443'],
    ['http://127.0.0.1:8080', 'http://127.0.0.1:8080'],
  ])('%s is allowed', (value, origin) => {
    expect(allowedOrigin(value, rule)).toBe(origin);
  });

  test.each([
    'http://acme.my.salesforce.com',
    'https://my.salesforce.com',
    'https://a.b.my.salesforce.com',
    'https://acme.my.salesforce.com:8443',
    'https://acme.my.salesforce.com.evil.example',
    'https://evil.example/.my.salesforce.com',
    'https://evil.example#.my.salesforce.com',
    'https://evil.example?.my.salesforce.com',
    'https://evil.example\\.my.salesforce.com',
    'https://evil.example@acme.my.salesforce.com',
    'https://acme@x.my.salesforce.com',
    'https://acmeXmy.salesforce.com',
    'https://acme.my.salesforce.com/services',
    'https://acme.my.salesforce.com//',
    'https://acme.my.salesforce.com.',
    'https://.my.salesforce.com',
    'https://acme.my.salesforce.com\n',
    ' https://acme.my.salesforce.com',
    'https://a%2eb.my.salesforce.com',
    'acme.my.salesforce.com',
    'http://127.0.0.1:8081',
    'http://127.0.0.1',
    '',
    7,
    ['https://acme.my.salesforce.com'],
    {},
    true,
  ])('%j is not', (value) => {
    expect(allowedOrigin(value, rule)).toBeUndefined();
  });
});

describe('the list of allowed origins', () => {
  const judged = (allow: unknown) => {
    const config = {
      authorizationServer: 'as',
      grant: 'client_credentials',
      clientId: 'c',
      clientAuthentication: { secret: { fromEnv: 'S' } },
    };
    return token.safeParse({ ...config, upstreamFrom: { field: 'instance_url', allow } }).success;
  };

  test.each(['https://*.my.salesforce.com', 'https://api.example', 'https://localhost:8443', 'http://[::1]:8080', 'https://*.*.a.b'])(
    'may hold %s',
    (origin) => {
      expect(judged([origin])).toBe(true);
    },
  );

  test.each([
    'https://*',
    'https://*.com',
    'https://a.*.com',
    'https://a*.example.com',
    'https://a.example/',
    'https://a.example/v1',
    'https://u@a.example',
    '*.example.com',
    'ftp://a.example',
    'https://a.example:99999',
  ])('may not hold %s', (origin) => {
    expect(judged([origin])).toBe(false);
  });
});
