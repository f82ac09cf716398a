/** What every proxy under measure shares: a folder, a certificate authority, the token and who issues it, the origin. */

import { fork } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { createAuthority } from '../test/helpers/certificates.ts';
import type { OriginPorts } from './load/origin-process.ts';
import { Processes, pinned } from './processes.ts';

export interface Setting {
  readonly processes: Processes;
  readonly folder: string;
  /** PEM file of who vouches for the origin. */
  readonly caFile: string;
  readonly identity: { readonly cert: string; readonly key: string };
  /** 800 bytes, as a JWT with some claims. */
  readonly token: string;
  readonly tokenEndpoint: string;
  readonly origin: OriginPorts;
  close(): Promise<void>;
}

const TOKEN_LIFETIME_SECONDS = 86_400;

export async function createSetting(): Promise<Setting> {
  const processes = new Processes();
  const folder = await mkdtemp(join(tmpdir(), 'token-broker-bench-'));
  const authority = await createAuthority('Bench Root');
  const { cert, key } = await authority.issueServer();
  const caFile = join(folder, 'ca.pem');
  await writeFile(caFile, authority.certificate);
  const token = randomBytes(600).toString('base64url');
  const server = await startAuthorizationServer(token);
  return {
    processes,
    folder,
    caFile,
    identity: { cert, key },
    token,
    tokenEndpoint: `http://127.0.0.1:${(server.address() as AddressInfo).port}/token`,
    origin: await startOriginProcess(processes, { cert, key }),
    async close() {
      await processes.stopAll();
      server.close();
      server.closeAllConnections();
      await rm(folder, { recursive: true, force: true });
    },
  };
}

async function startAuthorizationServer(token: string) {
  const answer = JSON.stringify({ access_token: token, token_type: 'Bearer', expires_in: TOKEN_LIFETIME_SECONDS });
  const server = createServer((request, response) => {
    request.resume();
    response.writeHead(200, { 'content-type': 'application/json', 'content-length': answer.length }).end(answer);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return server;
}

function startOriginProcess(processes: Processes, tls: Setting['identity']): Promise<OriginPorts> {
  const script = fileURLToPath(new URL('load/origin-process.ts', import.meta.url));
  const [execPath, execArgv] = pinned('load', [process.execPath]);
  const child = fork(script, { execPath, execArgv });
  processes.adopt(child);
  return new Promise((resolve, reject) => {
    child.once('message', (ports) => resolve(ports as OriginPorts));
    child.once('exit', (code) => reject(new Error(`the origin ended with ${code}`)));
    child.send({ tls });
  });
}
