import { readFile } from 'node:fs/promises';
import { afterEach, describe, expect, test } from '@jest/globals';
import { sharedAuthority } from './certificates.ts';
import { confide } from './eavesdropper.ts';
import { openRaw } from './raw-client.ts';
import { freePort, type Redis, type RedisOptions, startRedis } from './redis.ts';
import { openStore, STORE_KEY } from './shared-store.ts';

const running: Redis[] = [];

async function start(options?: RedisOptions): Promise<Redis> {
  const redis = await startRedis(options);
  running.push(redis);
  return redis;
}

afterEach(async () => {
  for (const redis of running.splice(0)) await redis.close();
});

/** What the system takes ports from where none is named: of Linux, or as macOS has it. */
async function ephemeralPorts(): Promise<[number, number]> {
  const range = await readFile('/proc/sys/net/ipv4/ip_local_port_range', 'utf8').catch(() => '49152 65535');
  return range.trim().split(/\s+/).map(Number) as [number, number];
}

describe('the Redis of the tests', () => {
  test('is killed and comes back empty on the same port', async () => {
    const redis = await start();
    expect(await redis.command('SET', 'a', '1')).toBe('OK');
    const client = await openRaw(redis);
    await redis.kill();
    expect(['fin', 'reset']).toContain(await client.closed);
    await expect(openRaw(redis)).rejects.toMatchObject({ code: 'ECONNREFUSED' });
    await redis.restart();
    expect(await redis.command('GET', 'a')).toBe(null);
  });

  test('keeps its port while it is away: neither the system nor another test gives it to anybody', async () => {
    const redis = await start();
    await redis.kill();
    const [first, last] = await ephemeralPorts();
    expect(redis.port < first || redis.port > last).toBe(true);
    const others = await Promise.all(Array.from({ length: 50 }, () => freePort()));
    expect(new Set([...others, redis.port]).size).toBe(51);
    await redis.restart();
  });

  test('is frozen with its connections open, and thaws', async () => {
    const redis = await start();
    const client = await openRaw(redis);
    client.write('PING\r\n');
    await client.waitFor('+PONG\r\n');
    redis.stop();
    client.write('SET a 1\r\n');
    expect(client.socket.destroyed).toBe(false);
    redis.cont();
    await client.waitFor('+OK\r\n');
    client.end();
  });

  test('wants its password and takes more arguments', async () => {
    const redis = await start({ password: 'p/w', args: ['--maxmemory', '3mb'] });
    const client = await openRaw(redis);
    client.write('PING\r\n');
    await client.waitFor('NOAUTH');
    client.end();
    expect(await redis.command('CONFIG', 'GET', 'maxmemory')).toMatchObject({ maxmemory: '3145728' });
  });

  test('speaks TLS to those with a certificate', async () => {
    const authority = await sharedAuthority();
    const { cert, key } = await authority.issue({ dns: ['localhost'], usage: ['server', 'client'] });
    const redis = await start({ tls: { cert, key, ca: authority.certificate, clientCa: authority.certificate } });
    expect(await redis.command('PING')).toBe('PONG');
    const client = await openRaw(redis, { tls: { ca: authority.certificate } });
    client.write('PING\r\n');
    await client.closed;
    expect(client.text()).toBe('');
  });

  test.each([
    ['a store in plain text', { unsafePlaintext: true }, ['an identity', 'a token']],
    ['a store that seals', { encryption: { keys: [STORE_KEY] } }, []],
  ])('C11 complains at its end of what %s must not have told it, and of nothing else', async (_what, protection, kinds) => {
    const redis = await startRedis();
    const store = openStore({ ...redis.access, commandTimeout: '5s' }, { encryption: undefined, ...protection });
    await store.share('token-that-stays-here', 'digest-of-an-identity');
    await store.obtain('another');
    await store.close();
    const complaint = await redis.close().then(String, String);
    for (const kind of kinds) expect(complaint).toContain(kind);
    expect(complaint).not.toContain('stays-here');
    expect(complaint.startsWith('Error: C11')).toBe(kinds.length > 0);
  });

  test('C11 hears what is told after it was killed and came back, and finds disguises', async () => {
    const redis = await startRedis();
    confide('a secret', 'a-client-secret');
    await redis.kill();
    await redis.restart();
    await redis.command('SET', 'a', `x${btoa('a-client-secret')}`);
    await expect(redis.close()).rejects.toThrow('a secret (base64)');
  });

  test('says why when it cannot start', async () => {
    const redis = await start();
    await expect(startRedis({ port: redis.port })).rejects.toThrow('Address already in use');
  });
});
