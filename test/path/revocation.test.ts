/** Tokens given back when the broker stops: real processes, a real authorization server over TLS, and one that hangs. */

import { describe, expect, test } from '@jest/globals';
import { CLIENTS, startAuthorizationServer, USER } from '../helpers/authorization-server.ts';
import { startBrokerProcess } from '../helpers/broker-process.ts';
import { closedAfterEach } from '../helpers/closing.ts';
import { hang, tokenAnswer } from '../helpers/scripted-answers.ts';
import { startScriptedServer } from '../helpers/scripted-server.ts';

const closed = closedAfterEach();

async function start(config: Record<string, unknown>) {
  const broker = await startBrokerProcess({
    config: { listeners: { local: { address: '127.0.0.1:0', authenticate: ['anonymous'] } }, ...config },
  });
  closed(broker);
  return broker;
}

const client = ({ clientId, clientAuthentication, secret }: (typeof CLIENTS)[keyof typeof CLIENTS]) => ({
  clientId,
  clientAuthentication: { method: clientAuthentication, secret: { unsafeInline: secret } },
  authorizationServer: 'as',
  revokeOnShutdown: true,
});

describe('stopping', () => {
  test('gives back access and refresh tokens of those tokens that ask for it', async () => {
    const as = await startAuthorizationServer({
      clients: [CLIENTS.orders, { ...CLIENTS.ledger, grants: ['password', 'refresh_token'] }],
    });
    closed(as);
    const broker = await start({
      authorizationServers: { as: { issuer: as.issuer, tls: { ca: as.ca } } },
      tokens: {
        orders: { ...client(CLIENTS.orders), grant: 'client_credentials' },
        kept: { ...client(CLIENTS.orders), grant: 'client_credentials', revokeOnShutdown: false, scope: 'orders.read' },
        ledger: {
          ...client(CLIENTS.ledger),
          grant: 'password',
          resourceOwner: { username: USER.username, password: { unsafeInline: USER.password } },
        },
      },
      readiness: 'tokens',
    });
    for (const token of ['orders', 'kept', 'ledger']) await broker.logged('token granted', (line) => line['token'] === token);
    broker.signal('SIGTERM');
    expect(await broker.exited).toEqual({ code: 0, signal: null });
    expect([...as.revoked].sort()).toEqual(['access_token', 'client_credentials', 'refresh_token']);
    const revoked = broker.log().filter(({ msg }) => msg === 'token revoked');
    expect(revoked.map(({ token }) => token).sort()).toEqual(['ledger', 'orders']);
  });

  test('is held up for a moment only by a server that never answers: one warning, exit code 0', async () => {
    const as = await startScriptedServer({
      answer: (request, connection) => (request.target === '/token' ? tokenAnswer() : hang(request, connection)),
    });
    closed(as);
    const broker = await start({
      // An answer is waited for longer than the test may last.
      authorizationServers: { as: { tokenEndpoint: `${as.url}/token`, revocationEndpoint: `${as.url}/revoke`, timeout: '5m' } },
      tokens: { orders: { ...client(CLIENTS.orders), grant: 'client_credentials' } },
    });
    await broker.logged('token granted');
    broker.signal('SIGTERM');
    expect(await broker.exited).toEqual({ code: 0, signal: null });
    expect(broker.log().filter(({ msg }) => msg === 'token not revoked: good until it ends')).toMatchObject([
      { token: 'orders', reason: 'timeout' },
    ]);
  });
});
