import { afterEach, describe, expect, test } from '@jest/globals';
import { sharedAuthority } from './certificates.ts';
import { openRaw } from './raw-client.ts';
import { type Redis, type RedisOptions, startRedis } from './redis.ts';

const running: Redis[] = [];

async function start(options?: RedisOptions): Promise<Redis> {
  const redis = await startRedis(options);
  running.push(redis);
  return redis;
}

afterEach(async () => {
  for (const redis of running.splice(0)) await redis.close();
});

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

  test('says why when it cannot start', async () => {
    const redis = await start();
    await expect(startRedis({ port: redis.port })).rejects.toThrow('Address already in use');
  });
});
