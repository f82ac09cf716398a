/** `token-broker dev` as a developer sees it. */

import { execFile } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { promisify } from 'node:util';
import { afterEach, describe, expect, test } from '@jest/globals';
import { type BrokerProcess, spawnBroker } from '../helpers/broker-process.ts';
import { freePort } from '../helpers/redis.ts';
import { cutShort } from '../helpers/scripted-answers.ts';
import { startScriptedServer } from '../helpers/scripted-server.ts';

let broker: BrokerProcess;
afterEach(() => broker.close());

const run = promisify(execFile);

/** The checked-in example on ports of its own, so that it can run beside anything. */
async function example(): Promise<string> {
  const text = await readFile(new URL('../../sidecar.config.json', import.meta.url), 'utf8');
  const ports = await Promise.all(['8080', '8081', '9401', '9402'].map(async (port) => [port, await freePort()] as const));
  return ports
    .reduce((config, [port, free]) => config.replaceAll(`127.0.0.1:${port}`, `127.0.0.1:${free}`), text)
    .replace('"listeners"', '"admin": { "address": "127.0.0.1:0" },\n  "listeners"');
}

async function until(said: RegExp): Promise<string> {
  for (;;) {
    const text = broker.stdout();
    if (said.test(text)) return text;
    await Promise.race([
      new Promise((resolve) => setTimeout(resolve, 20)),
      broker.exited.then((exit) => Promise.reject(new Error(`${exit.code}: ${broker.stderr()}`))),
    ]);
  }
}

describe('token-broker dev', () => {
  test('makes a call, explains it without a secret, and prints a curl line that repeats it', async () => {
    broker = await spawnBroker({ command: 'dev', config: await example() });
    const text = await until(/each event follows on a line/);
    expect(text).toMatch(/the application sent to listener "local"\n {2}GET \/orders\/42 HTTP\/1\.1\n/);
    expect(text).toContain('Authorization: Basic <billing:******>');
    expect(text).toMatch(/POST \/token client_credentials by "orders-sidecar" \(client_secret_basic\), scope ".*" → 200/);
    expect(text).toMatch(/the upstream received\n {2}GET \/v1\/orders\/42 HTTP\/1\.1\n[\s\S]*Authorization: Bearer <sha256 [0-9a-f]{8}>/);
    const curl = /^ {2}(curl .*)$/m.exec(text)?.[1] as string;
    const { stdout } = await run('sh', ['-c', `${curl} --silent --show-error --include`]);
    expect(stdout).toMatch(/^HTTP\/1\.1 200 OK/);
    await until(/GET \/orders\/42 → 200 .* caller=billing route=orders[\s\S]*GET \/orders\/42 → 200/);
  });

  test('prints the same call without a password too, where a listener takes it so', async () => {
    const config = await example();
    broker = await spawnBroker({ command: 'dev', config });
    const text = await until(/each event follows on a line/);
    const open = /the same without a password, from this machine only, at listener "apps"\n {2}(curl http:.*)\n/.exec(text)?.[1] ?? '';
    const { stdout } = await run('sh', ['-c', `${open} --silent --show-error --include`]);
    expect(stdout).toMatch(/^HTTP\/1\.1 200 OK/);
    await until(/GET \/orders\/42 → 200 .* caller=anonymous route=orders/);
    await broker.replace('sidecar.config.json', config.replace('"path": "/orders/42"', '"path": "/ledger/7"'));
    const after = await until(/config reloaded[\s\S]*GET \/ledger\/7 HTTP\/1\.1[\s\S]*each event follows/);
    expect(after.slice(after.indexOf('config reloaded'))).not.toContain('without a password');
  });

  test('takes a changed config, and keeps the old one when the new one is wrong', async () => {
    const config = await example();
    broker = await spawnBroker({ command: 'dev', config });
    await until(/each event follows on a line/);
    await broker.replace('sidecar.config.json', config.replace('"routes"', '"rotues"'));
    await until(/"rotues" is not a known key; did you mean "routes"\?[\s\S]*the old one stays/);
    await broker.replace('sidecar.config.json', config.replace('"path": "/orders/42"', '"path": "/ledger/7"'));
    await until(/config reloaded[\s\S]*GET \/ledger\/7 HTTP\/1\.1[\s\S]*each event follows/);
    broker.signal('SIGINT');
    expect((await broker.exited).code).toBe(0);
  });

  test.each([
    [
      'the demo of the new one cannot be had',
      /"upstream": \{ "address": "127\.0\.0\.1:(\d+)"/,
      'the demo cannot listen on 127.0.0.1:PORT (EADDRINUSE): end what uses it, or change "demo.upstream.address"',
    ],
    [
      'a listener of the new one cannot be had',
      /"apps": \{ "address": "127\.0\.0\.1:(\d+)"/,
      'the address "127.0.0.1:PORT" of listener "apps" is in use',
    ],
  ])('keeps the old config with its demo where %s, and says why', async (_, address, why) => {
    const taken = await startScriptedServer({ answer: () => '' });
    const config = await example();
    broker = await spawnBroker({ command: 'dev', config });
    const curl = /^ {2}(curl .*)$/m.exec(await until(/each event follows on a line/))?.[1] as string;
    const moved = [address, /"issuer": "http:\/\/127\.0\.0\.1:(\d+)"/, /"upstream": \{ "address": "127\.0\.0\.1:(\d+)"/];
    const ports = [taken.port, await freePort(), await freePort()];
    const elsewhere = moved.reduce((text, part, i) => text.replaceAll(`:${part.exec(config)?.[1]}`, `:${ports[i]}`), config);
    await broker.replace('sidecar.config.json', elsewhere);
    expect(await until(/the old one stays/)).toContain(why.replace('PORT', String(taken.port)));
    // Each further try ends the demo for a moment.
    for (let said = ''; !said.startsWith('HTTP/1.1 200 OK'); )
      said = (await run('sh', ['-c', `${curl} --silent --show-error --include`])).stdout;
    await taken.close();
    await until(/config reloaded[\s\S]*each event follows/);
  });

  test('goes on, under the new config too, where its call is not answered', async () => {
    const origin = await startScriptedServer({ answer: cutShort('HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc') });
    const config = (await example()).replace(/http:\/\/127[.0-9:]+\/v1\/orders/, origin.url);
    broker = await spawnBroker({ command: 'dev', config });
    await until(/the call of "demo\.call" was not answered \(ECONNRESET\); .*\n[\s\S]*each event follows on a line/);
    await broker.replace('sidecar.config.json', config.replace('"path": "/orders/42"', '"path": "/orders/43"'));
    await until(/config reloaded[\s\S]*was not answered[\s\S]*each event follows/);
    expect(broker.stdout()).not.toContain('the old one stays');
    await origin.close();
  });

  test('ends with its terminal', async () => {
    broker = await spawnBroker({ command: 'dev', config: await example() });
    await until(/each event follows on a line/);
    broker.signal('SIGHUP');
    expect(await broker.exited).toEqual({ code: 0, signal: null });
  });

  test('says that nobody reads it any more, and goes on', async () => {
    broker = await spawnBroker({ command: 'dev', config: await example() });
    const curl = /^ {2}(curl .*)$/m.exec(await until(/each event follows on a line/))?.[1] as string;
    broker.stopReading();
    while (broker.stderr() === '')
      expect((await run('sh', ['-c', `${curl} --silent --show-error --include`])).stdout).toMatch(/^HTTP\/1\.1 200 OK/);
    expect((await run('sh', ['-c', `${curl} --silent --show-error --include`])).stdout).toMatch(/^HTTP\/1\.1 200 OK/);
    expect(broker.stderr()).toBe('stdout cannot be written (EPIPE)\n');
    broker.signal('SIGINT');
    expect((await broker.exited).code).toBe(1);
  });
});
