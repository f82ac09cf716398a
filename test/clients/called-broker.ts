/** A broker for the HTTP clients of others: listeners in the clear, with h2c, with TLS and on a socket, for the caller `billing` with `secret`. */

import { execFile } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { expect } from '@jest/globals';
import { ORDERS_TOKEN, secretHash, startBroker } from '../helpers/broker.ts';
import { sharedAuthority } from '../helpers/certificates.ts';
import { programOf } from '../helpers/proxy-program.ts';
import { answerWith, tokenAnswer } from '../helpers/scripted-answers.ts';
import { startScriptedServer } from '../helpers/scripted-server.ts';

const execute = promisify(execFile);

/** Go compiles its library first, the first time. */
export const LONGEST_MS = 180_000;

/** The URL that goes through a proxy. */
export const PROXIED = 'http://orders.acme.example/v1';

export type Listener = 'local' | 'h2c' | 'tls';

export interface CalledBroker {
  port(listener?: Listener): string;
  url(listener?: Listener): string;
  /** `ca.crt`, `body` (300,000 bytes) or `broker.sock`. */
  file(name: string): string;
  /** Fails where a request went on without the token, or with anything that was meant for the broker. */
  expectNothingLeaked(): void;
  close(): Promise<void>;
}

/** The upstream answers with the method, the target and the length of the body. */
export async function startCalledBroker(): Promise<CalledBroker> {
  const folder = await mkdtemp(join(tmpdir(), 'token-broker-clients-'));
  const file = (name: string) => join(folder, name);
  const authority = await sharedAuthority();
  const { cert, key } = await authority.issueServer();
  await writeFile(file('ca.crt'), authority.certificate);
  await writeFile(file('body'), Buffer.alloc(300_000));
  const origin = await startScriptedServer({
    answer: ({ method, target, body }) =>
      method === 'HEAD' ? 'HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n' : answerWith(200, [], `${method} ${target} ${body.length}`),
  });
  const authorizationServer = await startScriptedServer({ answer: () => tokenAnswer() });
  const listener = { address: '127.0.0.1:0', authenticate: ['basic'] };
  const route = { callers: ['billing'], token: 'orders', upstream: origin.url };
  const broker = await startBroker(
    {
      listeners: {
        local: listener,
        h2c: { ...listener, protocols: ['http/1.1', 'h2c'] },
        tls: { ...listener, protocols: ['http/1.1', 'h2'], tls: { cert: { fromFile: 'server.crt' }, key: { fromFile: 'server.key' } } },
        socket: { ...listener, address: `unix:${file('broker.sock')}` },
      },
      callers: { billing: { basic: { passwordHash: await secretHash() } } },
      authorizationServers: { as: { tokenEndpoint: `${authorizationServer.url}/token` } },
      tokens: { orders: ORDERS_TOKEN },
      routes: { api: { path: '/api', ...route }, proxied: { path: '/v1', host: new URL(PROXIED).host, ...route } },
    },
    { 'server.crt': cert, 'server.key': key },
  );
  const port = (name: Listener = 'local') => broker.address(name).split(':')[1] as string;
  return {
    port,
    url: (name = 'local') => `${name === 'tls' ? 'https://localhost' : 'http://127.0.0.1'}:${port(name)}/api/`,
    file,
    expectNothingLeaked() {
      for (const { head, field } of origin.requests) {
        expect(field('authorization')).toEqual(['Bearer scripted-access-token']);
        expect(head).not.toMatch(/^(?:proxy-|upgrade|http2-settings|expect)/im);
        expect(head).not.toContain(Buffer.from('billing:secret').toString('base64'));
      }
      expect(origin.leftovers).toEqual([]);
    },
    async close() {
      await broker.close();
      await Promise.all([origin.close(), authorizationServer.close()]);
      await rm(folder, { recursive: true });
    },
  };
}

interface Ended {
  readonly stdout: string;
  readonly stderr: string;
}

/** What a program printed, line by line, its complaints last. */
export async function linesOf(name: string, args: readonly string[]): Promise<string[]> {
  const env = { PATH: process.env['PATH'], HOME: process.env['HOME'], LC_ALL: 'C' };
  const ended = await execute(programOf(name) as string, args, { timeout: LONGEST_MS, env }).catch((error: unknown) => error as Ended);
  return `${ended.stdout}\n${ended.stderr}`
    .split('\n')
    .map((line) => line.trim())
    .filter((line) => line !== '');
}
