/** Keycloak as it is shipped, over TLS, with a realm of its own and nothing on disk. */

import { spawn } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { sharedAuthority } from '../helpers/certificates.ts';
import { type Answer, type RequestOptions, request } from '../helpers/http-client.ts';
import { programOf } from '../helpers/proxy-program.ts';
import { freePort } from '../helpers/redis.ts';
import { askForToken } from '../helpers/token-endpoint.ts';

export const REALM = 'acme';

export interface Keycloak {
  readonly issuer: string;
  readonly ca: string;
  /** As the administrator; the path goes on behind `/admin/realms`. */
  administer(method: string, path: string, body?: unknown): Promise<Answer>;
  /** A form at an endpoint of the realm. */
  post(endpoint: string, form: Readonly<Record<string, string>>): Promise<Answer>;
  close(): Promise<void>;
}

const STARTS_WITHIN_MS = 240_000;
const ADMIN = { username: 'admin', password: 'admin-of-the-test' };

/** @param realm as `POST /admin/realms` takes it, without its name */
export async function startKeycloak(realm: Readonly<Record<string, unknown>>): Promise<Keycloak> {
  const authority = await sharedAuthority();
  const { cert, key } = await authority.issueServer();
  const folder = await mkdtemp(join(tmpdir(), 'token-broker-keycloak-'));
  const file = (name: string) => join(folder, name);
  for (const [name, content] of Object.entries({ 'ca.pem': authority.certificate, 'server.crt': cert, 'server.key': key }))
    await writeFile(file(name), content, { mode: 0o600 });
  const port = await freePort();
  const url = `https://localhost:${port}`;
  const said: string[] = [];
  const child = spawn(
    programOf('kc.sh') as string,
    [
      'start-dev',
      '--db=dev-mem',
      '--cache=local',
      `--http-port=${await freePort()}`,
      '--http-host=127.0.0.1',
      `--https-port=${port}`,
      `--http-management-port=${await freePort()}`,
      `--hostname=${url}`,
      `--https-certificate-file=${file('server.crt')}`,
      `--https-certificate-key-file=${file('server.key')}`,
      `--https-trust-store-file=${file('ca.pem')}`,
      '--https-client-auth=request',
    ],
    {
      // A shell script that starts Java: they are ended together.
      detached: true,
      stdio: ['ignore', 'pipe', 'pipe'],
      env: { ...process.env, KC_BOOTSTRAP_ADMIN_USERNAME: ADMIN.username, KC_BOOTSTRAP_ADMIN_PASSWORD: ADMIN.password },
    },
  );
  const exited = new Promise<void>((resolve) => child.once('exit', () => resolve()));
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk: Buffer) => said.push(chunk.toString()));
  const tls = { ca: authority.certificate };
  const ask = (path: string, options: RequestOptions = {}) => request(`${url}${path}`, { tls, ...options });
  const postTo = (realm: string, endpoint: string, form: Readonly<Record<string, string>>) =>
    askForToken(`${url}/realms/${realm}/protocol/openid-connect/${endpoint}`, { form, tls });
  const post: Keycloak['post'] = (endpoint, form) => postTo(REALM, endpoint, form);
  const close = async () => {
    if (child.exitCode === null) process.kill(-(child.pid as number), 'SIGKILL');
    await exited;
    await rm(folder, { recursive: true, force: true });
  };
  const administer: Keycloak['administer'] = async (method, path, body) => {
    // It lasts a minute: each call has its own.
    const credentials = { grant_type: 'password', client_id: 'admin-cli', ...ADMIN };
    const { access_token } = (await postTo('master', 'token', credentials)).json() as {
      access_token: string;
    };
    const fields = { authorization: `Bearer ${access_token}`, 'content-type': 'application/json' };
    const answer = await ask(`/admin/realms${path}`, { method, fields, ...(body !== undefined && { body: JSON.stringify(body) }) });
    if (answer.status >= 300) throw new Error(`${method} ${path}: ${answer.status} ${answer.text()}`);
    return answer;
  };
  try {
    const deadline = Date.now() + STARTS_WITHIN_MS;
    while ((await ask('/realms/master').catch(() => undefined))?.status !== 200) {
      if (child.exitCode !== null || Date.now() > deadline) throw new Error(`Keycloak does not start: ${said.join('').slice(-1_500)}`);
      await new Promise((resolve) => setTimeout(resolve, 200));
    }
    await administer('POST', '', { realm: REALM, enabled: true, ...realm });
  } catch (error) {
    await close();
    throw error;
  }
  return { issuer: `${url}/realms/${REALM}`, ca: authority.certificate, administer, post, close };
}
