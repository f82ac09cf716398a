/** The connections to an upstream of HTTP/2: for how long they are used, and under whose certificate. */

import { once } from 'node:events';
import { createServer as createHttp2Server, createSecureServer, type Http2Server, type ServerHttp2Session } from 'node:http2';
import { type AddressInfo, createServer, type Socket } from 'node:net';
import type { TLSSocket } from 'node:tls';
import { expect, test } from '@jest/globals';
import { route as routeSchema } from '../../src/config/schema/routes.ts';
import { Secret } from '../../src/config/secret.ts';
import type { BrokerError } from '../../src/errors.ts';
import { Http2Pool } from '../../src/upstream/http2/pool.ts';
import { sharedAuthority } from '../helpers/certificates.ts';
import { closedAfterEach } from '../helpers/closing.ts';

const closed = closedAfterEach();

type PoolRoute = ConstructorParameters<typeof Http2Pool>[1];

/** What a config says where it says nothing, but for `more`. */
function poolTo(origin: string, more: Partial<PoolRoute>): Http2Pool {
  return closed(new Http2Pool(origin, { ...routeSchema.parse({ path: '/', token: null, upstream: origin }), ...more }));
}

/** Resolves to the body, or the code of the failure. */
function get(pool: Http2Pool): Promise<string> {
  return new Promise((resolve) => {
    let text = '';
    pool.send(
      { method: 'GET', target: '/', fields: [['host', 'a']], body: undefined, upgrade: undefined, fresh: false },
      {
        interim() {},
        head() {},
        chunk(bytes) {
          text += Buffer.from(bytes).toString();
        },
        end: () => resolve(text),
        fail: ({ code }: BrokerError) => resolve(code),
      },
    );
  });
}

async function listen(server: ReturnType<typeof createServer> | Http2Server): Promise<string> {
  await once(server.listen(0, '127.0.0.1'), 'listening');
  closed(server);
  return `127.0.0.1:${(server.address() as AddressInfo).port}`;
}

/** @param delayMs before a connection is read from */
async function startOrigin(delayMs = 0) {
  const sessions: ServerHttp2Session[] = [];
  const http2 = createHttp2Server((_request, response) => response.end('ok')).on('session', (session) => sessions.push(session));
  const server = createServer((socket: Socket) =>
    setTimeout(
      () =>
        http2.emit(
          'connection',
          socket.on('error', () => {}),
        ),
      delayMs,
    ),
  );
  return { origin: `http://${await listen(server)}`, sessions };
}

test('a connection that has reached its age carries no further request, and is closed', async () => {
  const { origin, sessions } = await startOrigin();
  const pool = poolTo(origin, { maxConnectionAge: 100 });
  while (sessions.length < 2) expect(await get(pool)).toBe('ok');
  if (sessions[0]?.destroyed === false) await once(sessions[0], 'close');
});

test('one that took longer to be made than it may be used carries what has waited for it', async () => {
  const { origin } = await startOrigin(300);
  expect(await get(poolTo(origin, { maxConnectionAge: 100 }))).toBe('ok');
});

/** An upstream that asks for certificates, and what it was shown with each request; `use` changes ours. */
async function certified() {
  const authority = await sharedAuthority();
  const shown: unknown[] = [];
  const connected = Promise.withResolvers<void>();
  const http2 = createSecureServer(
    { ...(await authority.issueServer()), ca: authority.certificate, requestCert: true },
    (request, response) => {
      const { socket } = request.stream.session as ServerHttp2Session;
      shown.push((socket as TLSSocket).getPeerCertificate().subject.CN);
      response.end('ok');
    },
  );
  let hold = Promise.resolve();
  const server = createServer((socket) => {
    connected.resolve();
    void hold.then(() =>
      http2.emit(
        'connection',
        socket.on('error', () => {}),
      ),
    );
  });
  const own = await authority.issueClient({ commonName: 'before' });
  const after = await authority.issueClient({ commonName: 'after' });
  const [cert, key] = [new Secret({ unsafeInline: own.cert }), new Secret({ unsafeInline: own.key })];
  const pool = poolTo(`https://${await listen(server)}`, {
    upstreamTls: { ca: new Secret({ unsafeInline: authority.certificate }), cert, key },
  });
  const change = () => {
    cert.fill(after.cert);
    key.fill(after.key);
  };
  const holdUntil = (promise: Promise<void>) => {
    hold = promise;
  };
  return { pool, shown, change, connected: connected.promise, holdUntil };
}

test('T15 a request goes on a connection of the certificate of now', async () => {
  const { pool, shown, change } = await certified();
  for (let count = 0; count < 2; count += 1) expect(await get(pool)).toBe('ok');
  change();
  for (let count = 0; count < 2; count += 1) expect(await get(pool)).toBe('ok');
  expect(shown).toEqual(['before', 'before', 'after', 'after']);
});

test('T15 nor does it go on a connection of the one before that was being made when it changed', async () => {
  const { pool, shown, change, connected, holdUntil } = await certified();
  const changed = Promise.withResolvers<void>();
  holdUntil(changed.promise);
  const answer = get(pool);
  await connected;
  change();
  changed.resolve();
  expect([await answer, shown]).toEqual(['ok', ['after']]);
});
