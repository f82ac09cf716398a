/** A real realm of Kerberos on loopback: a KDC of its own, users, services and their keytabs, and clients that have tickets. */

import { type ChildProcess, execFile, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { describe } from '@jest/globals';
import { findDaemon, kerberosModules, missingKerberos } from '../../scripts/find-tool.mjs';
import { freePort } from './redis.ts';

const run = promisify(execFile);
const CLIENT = fileURLToPath(new URL('./kerberos-client.mjs', import.meta.url));

export const REALM = 'TEST.EXAMPLE';
export const SERVICE = `HTTP/localhost@${REALM}`;

/** `describe`, which says that it leaves its tests out where there is no Kerberos. */
export function describeKerberos(): typeof describe | typeof describe.skip {
  const missing = missingKerberos() ?? (speaksNegotiate() ? undefined : 'a curl with GSS-API');
  if (missing === undefined) return describe;
  process.stderr.write(`left out: ${missing} is not installed\n`);
  return describe.skip;
}

function speaksNegotiate(): boolean {
  return spawnSync('curl', ['--version'], { encoding: 'utf8' }).stdout.includes('GSS-API');
}

type Environment = Readonly<Record<string, string>>;

export interface Realm {
  /** For a process that is to know this realm and to find the Kerberos library; with more lines for `[libdefaults]`. */
  environment(...more: readonly string[]): Promise<Environment>;
  /** Makes a principal with a random key. */
  addService(principal: string): Promise<void>;
  /** Gives it another key, under the next number. */
  changeKey(principal: string): Promise<void>;
  /** Writes the keys of principals, as they are now, into a keytab; gives its path. */
  keytab(name: string, ...principals: readonly string[]): Promise<string>;
  /** Somebody with a ticket-granting ticket, in an environment of his own. */
  logIn(name: string, ...kinitArguments: readonly string[]): Promise<User>;
  close(): Promise<void>;
}

export interface User {
  /** For `curl --negotiate` and the like. */
  readonly environment: Environment;
  /** A token for the scheme Negotiate, each time another. */
  token(options?: TokenOptions): Promise<string>;
  /** Whether what came back for the last token proves that the service has its key. Rejects where it is nothing of the kind. */
  believes(answer: string): Promise<boolean>;
}

export interface TokenOptions {
  /** Default: `HTTP@localhost`. */
  readonly service?: string;
  /** Kerberos itself, not within SPNEGO. */
  readonly bare?: boolean;
  /** Hands the service a ticket to act as the user. */
  readonly delegating?: boolean;
  /** Asks the service to prove itself; default: true. */
  readonly mutual?: boolean;
}

export async function startRealm(): Promise<Realm> {
  const folder = await mkdtemp(join(tmpdir(), 'token-broker-kerberos-'));
  const port = await freePort();
  const closing: (() => Promise<void>)[] = [];
  let count = 0;
  const file = (name: string) => {
    count += 1;
    return join(folder, `${count}-${name}`);
  };

  async function environment(...more: readonly string[]): Promise<Environment> {
    const path = file('krb5.conf');
    await writeFile(path, configOf(folder, port, more));
    return { KRB5_CONFIG: path, KRB5RCACHENAME: `file2:${file('replays')}`, NODE_PATH: kerberosModules };
  }

  const own = { ...process.env, ...(await environment()), KRB5_KDC_PROFILE: join(folder, 'kdc.conf') };
  await writeFile(own.KRB5_KDC_PROFILE, kdcConfigOf(folder, port));
  await writeFile(join(folder, 'acl'), '');
  await run(daemon('kdb5_util'), ['create', '-s', '-r', REALM, '-P', 'master'], { env: own });
  const administer = (command: string) => run(daemon('kadmin.local'), ['-r', REALM, '-q', command], { env: own });
  await administer(`addprinc -randkey ${SERVICE}`);
  const kdc = await startKdc(own);
  closing.push(kdc);

  return {
    environment,
    addService: async (principal) => void (await administer(`addprinc -randkey ${principal}`)),
    changeKey: async (principal) => void (await administer(`cpw -randkey ${principal}`)),
    async keytab(name, ...principals) {
      const path = file(name);
      for (const principal of principals) await administer(`ktadd -norandkey -k ${path} ${principal}`);
      return path;
    },
    async logIn(name, ...kinitArguments) {
      await administer(`addprinc -pw secret-of-${name} ${name}`);
      const user = { ...(await environment()), KRB5CCNAME: `FILE:${file('tickets')}` };
      await kinit([...kinitArguments, `${name}@${REALM}`], `secret-of-${name}\n`, { ...process.env, ...user });
      const client = startClient(user);
      closing.push(client.close);
      return { environment: user, ...client };
    },
    async close() {
      await Promise.all(closing.map((close) => close()));
      await rm(folder, { recursive: true });
    },
  };
}

function daemon(name: string): string {
  return findDaemon(name) as string;
}

/** No name is looked up anywhere: what a test calls its service is what the ticket is for. */
function configOf(folder: string, port: number, more: readonly string[]): string {
  return `[libdefaults]
  default_realm = ${REALM}
  dns_lookup_realm = false
  dns_lookup_kdc = false
  dns_canonicalize_hostname = false
  rdns = false
  forwardable = true
  ${more.join('\n  ')}
[realms]
  ${REALM} = {
    kdc = 127.0.0.1:${port}
  }
[domain_realm]
  localhost = ${REALM}
  127.0.0.1 = ${REALM}
[logging]
  kdc = STDERR
  admin_server = FILE:${folder}/admin.log
`;
}

function kdcConfigOf(folder: string, port: number): string {
  return `[kdcdefaults]
  kdc_listen = 127.0.0.1:${port}
  kdc_tcp_listen = 127.0.0.1:${port}
[realms]
  ${REALM} = {
    database_name = ${folder}/principal
    key_stash_file = ${folder}/stash
    acl_file = ${folder}/acl
    max_life = 1h
  }
`;
}

async function startKdc(env: NodeJS.ProcessEnv): Promise<() => Promise<void>> {
  const kdc = spawn(daemon('krb5kdc'), ['-n'], { env, stdio: ['ignore', 'ignore', 'pipe'] });
  const exited = once(kdc, 'exit');
  let said = '';
  for await (const chunk of kdc.stderr) {
    said += String(chunk);
    if (said.includes('commencing operation')) break;
  }
  if (kdc.exitCode !== null) throw new Error(`krb5kdc ended with ${kdc.exitCode}: ${said}`);
  return () => end(kdc, exited);
}

async function end(child: ChildProcess, exited: Promise<unknown>): Promise<void> {
  child.kill('SIGTERM');
  await exited;
}

async function kinit(args: readonly string[], password: string, env: NodeJS.ProcessEnv): Promise<void> {
  const child = spawn(daemon('kinit'), args, { env, stdio: ['pipe', 'ignore', 'inherit'] });
  child.stdin.end(password);
  const [code] = await once(child, 'exit');
  if (code !== 0) throw new Error(`kinit ended with ${code}`);
}

/** A process, since the library takes its settings from the environment of one. */
function startClient(env: Environment) {
  const child = spawn(process.execPath, [CLIENT], { env: { ...process.env, ...env }, stdio: ['pipe', 'pipe', 'inherit'] });
  const exited = once(child, 'exit');
  const answers = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  let turn: Promise<unknown> = Promise.resolve();

  function ask(question: object): Promise<{ token: string; complete: boolean }> {
    const answer = turn.then(async () => {
      child.stdin.write(`${JSON.stringify(question)}\n`);
      const { value } = await answers.next();
      const said = JSON.parse(String(value)) as { token: string; complete: boolean; error?: string };
      if (said.error !== undefined) throw new Error(said.error);
      return said;
    });
    turn = answer.catch(() => undefined);
    return answer;
  }

  return {
    token: async (options: TokenOptions = {}) => (await ask(options)).token,
    believes: async (answer: string) => (await ask({ answer })).complete,
    close: () => end(child, exited),
  };
}
