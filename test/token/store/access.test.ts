/** How a store logs in: users with few rights, passwords and certificates that change, servers that are not who they should be. */

import { afterEach, describe, expect, test } from '@jest/globals';
import type { Secret } from '../../../src/config/secret.ts';
import { createAuthority, sharedAuthority } from '../../helpers/certificates.ts';
import { type RedisOptions, sendCommand, startRedis } from '../../helpers/redis.ts';
import { openStore, type TestStore } from '../../helpers/shared-store.ts';

const closing: { close(): Promise<unknown> }[] = [];
afterEach(async () => {
  for (const each of closing.splice(0).reverse()) await each.close();
});

async function start(options?: RedisOptions) {
  const redis = await startRedis(options);
  closing.push(redis);
  return redis;
}

function open(redis: Record<string, unknown>): TestStore {
  const store = openStore({ commandTimeout: '5s', ...redis });
  closing.push(store);
  return store;
}

/** What of a token that one shares reaches the other, and what happened on the way. */
async function share(one: TestStore, two: TestStore): Promise<unknown[]> {
  await one.share('token-1');
  return [await two.obtain(), ...one.events, ...two.events];
}

describe('C14 a store', () => {
  test('works with an ACL user that may do nothing but what it needs', async () => {
    const redis = await start();
    const [one, two] = [open(redis.access), open(redis.access)];
    expect(await share(one, two)).toEqual(['token-1']);
    await two.store.remove('identity');
    expect(await one.obtain()).not.toBe('token-1');
    expect(one.events).toEqual([]);
  });

  test('says so when a right is missing, and goes on by itself when it is given', async () => {
    const redis = await start();
    await redis.command('ACL', 'SETUSER', 'broker', 'on', '>few-rights', '~token-broker:*', '-@all', '+get', '+ping');
    const store = open({ url: { unsafeInline: `redis://broker:few-rights@127.0.0.1:${redis.port}` } });
    expect(await store.obtain()).toBeInstanceOf(Object);
    expect(await store.happened(/lost/)).toBe('lost noperm');
    await redis.command('ACL', 'SETUSER', 'broker', '+set', '+del', '+eval');
    await store.happened(/recovered/);
  });

  test('goes over TLS, with its own certificate where the server asks for one', async () => {
    const authority = await sharedAuthority();
    const server = await authority.issueServer({ usage: ['server', 'client'] });
    const client = await authority.issueClient({ commonName: 'broker' });
    const redis = await start({ tls: { ...server, ca: authority.certificate, clientCa: authority.certificate } });
    const tls = { ca: authority.certificate, cert: client.cert, key: { unsafeInline: client.key } };
    // A scheme is the same in capitals (RFC 3986 §3.1).
    const shouted = { ...redis.access, url: redis.access.url.replace('rediss', 'REDISS'), tls };
    expect(await share(open({ ...redis.access, tls }), open(shouted))).toEqual(['token-1']);
    const without = open({ ...redis.access, tls: { ca: authority.certificate } });
    await without.obtain();
    expect(await without.happened(/^lost/)).not.toBe('lost noperm');
  });

  test('refuses a server of another authority', async () => {
    const authority = await sharedAuthority();
    const redis = await start({ tls: { ...(await authority.issueServer()), ca: authority.certificate } });
    const store = open({ ...redis.access, tls: { ca: (await createAuthority('Another')).certificate } });
    await store.obtain();
    await store.happened(/^lost/);
    expect(redis.output()).not.toContain('Accepted');
  });

  test('refuses a server of another name, unless that is the name to expect', async () => {
    const authority = await sharedAuthority();
    const server = await authority.issueServer({ dns: ['redis.example'], ip: [] });
    const redis = await start({ tls: { ...server, ca: authority.certificate } });
    const store = open({ ...redis.access, tls: { ca: authority.certificate } });
    await store.obtain();
    await store.happened(/^lost/);
    const tls = { ca: authority.certificate, serverName: 'redis.example' };
    expect(await share(open({ ...redis.access, tls }), open({ ...redis.access, tls }))).toEqual(['token-1']);
  });

  test('C04 C05 says why it has no connection, and makes nobody wait for one', async () => {
    const redis = await start({ password: 'right' });
    const url = `redis://127.0.0.1:${redis.port}`;
    const wrong = open({ url, password: { unsafeInline: 'wrong' } });
    await wrong.obtain();
    expect(wrong.events).toEqual(['lost wrongpass']);
    const none = open({ url });
    await none.obtain();
    expect(none.events).toEqual(['lost noauth']);
    await redis.kill();
    const refused = open({ url });
    await refused.obtain();
    expect(refused.events).toEqual(['lost econnrefused']);
    const unknown = open({ url: 'redis://no-such-host.invalid:6379' });
    await unknown.obtain();
    expect(unknown.events).toEqual([expect.stringMatching(/^lost (enotfound|eai_again|etimedout)$/)]);
  });

  test('L06 takes a changed CA over by a new connection', async () => {
    const authority = await sharedAuthority();
    const redis = await start({ tls: { ...(await authority.issueServer()), ca: authority.certificate } });
    const another = (await createAuthority('Another')).certificate;
    let ca: Secret | undefined;
    const store = openStore({ ...redis.access, commandTimeout: '5s', tls: { ca: { fromFile: 'ca.crt' } } }, {}, (config) => {
      ca = config.redis?.tls?.ca;
      ca?.fill(another);
    });
    closing.push(store);
    await store.obtain();
    await store.happened(/^lost/);
    ca?.fill(authority.certificate);
    expect(await store.happened(/recovered/)).toBe('recovered');
  });

  test('takes a changed password over by a new connection, and keeps the old one until that stands', async () => {
    const redis = await start({ password: 'first' });
    let password: Secret | undefined;
    const store = openStore({ url: `redis://127.0.0.1:${redis.port}`, password: { fromFile: 'password' } }, {}, (config) => {
      password = config.redis?.password;
      password?.fill('first');
    });
    closing.push(store);
    const other = open({ ...redis.access });
    await other.share('token-1', 'before');
    expect(await store.obtain('before')).toBe('token-1');
    // Here first: the server does not know it yet, and the old connection goes on.
    password?.fill('second');
    await other.share('token-2', 'between');
    expect(await store.obtain('between')).toBe('token-2');
    await redis.command('CONFIG', 'SET', 'requirepass', 'second');
    const url = `redis://:second@127.0.0.1:${redis.port}`;
    // Its new connection is one more than that of the other store and that of this command.
    const clients = async () => String(await sendCommand(url, {}, ['CLIENT', 'LIST'])).match(/cmd=(?:ping|auth)/g) ?? [];
    while ((await clients()).length < 2) await new Promise((resolve) => setTimeout(resolve, 50));
    await sendCommand(url, {}, ['CLIENT', 'KILL', 'TYPE', 'normal', 'SKIPME', 'yes']);
    while ((await store.obtain('between')) !== 'token-2') await store.happened(/recovered/);
    expect(other.events).not.toContain('recovered');
  });
});
