import { expect, jest, test } from '@jest/globals';

test('the demo says what to do when its package is absent', async () => {
  jest.unstable_mockModule('oidc-provider', () => {
    throw Object.assign(new Error('not found'), { code: 'ERR_MODULE_NOT_FOUND' });
  });
  const { startDemoAuthorizationServer } = await import('../../src/demo/authorization-server.ts');
  const starting = startDemoAuthorizationServer({ address: { host: '127.0.0.1', port: 0 }, clients: [], users: [], lifetimeSeconds: 60 });
  await expect(starting).rejects.toThrow('the demo needs the package "oidc-provider": run npm ci in a clone of the repository');
});
