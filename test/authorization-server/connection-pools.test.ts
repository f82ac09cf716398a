import { afterEach, expect, test } from '@jest/globals';
import { AuthorizationServerCalls } from '../../src/authorization-server/call.ts';
import { type ScriptedServer, startScriptedServer } from '../helpers/scripted-server.ts';

let server: ScriptedServer;
afterEach(() => server.close());

test('whoever calls an authorization server after the end makes no connection', async () => {
  server = await startScriptedServer({ answer: () => undefined });
  const calls = new AuthorizationServerCalls({ timeoutMs: 5_000, connectTimeoutMs: 5_000, ca: () => undefined });
  await calls.close();
  await expect(calls.call({ url: server.url, method: 'GET', headers: {}, body: undefined })).rejects.toMatchObject({ reason: 'closed' });
  expect(server.connections).toHaveLength(0);
});
