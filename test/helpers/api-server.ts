/** A real Kubernetes API server with its etcd, and nothing else of a cluster: no node, no controller, no network of pods. */

import { type ChildProcess, spawn } from 'node:child_process';
import { generateKeyPairSync } from 'node:crypto';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createServer, type Server } from 'node:http';
import { connect, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe } from '@jest/globals';
import { sharedAuthority } from './certificates.ts';
import { type Answer, request } from './http-client.ts';
import { programOf } from './proxy-program.ts';
import { freePort } from './redis.ts';

const PROGRAMS = ['etcd', 'kube-apiserver'] as const;
const TOKEN = 'token-of-an-administrator';

// biome-ignore lint/suspicious/noExplicitAny: a test looks into objects of every kind; a wrong path fails it.
type Manifest = any;

export interface ApiServer {
  /** A kubeconfig file of an administrator, for helm. */
  readonly kubeconfig: string;
  /** Creates an object, with unknown fields refused. @param query more of it, such as `dryRun=All` */
  create(manifest: Manifest, query?: string): Promise<Answer>;
  read(path: string): Promise<Answer>;
  replace(path: string, manifest: Manifest): Promise<Answer>;
  /** Where connections to any Service lead: the place of kube-proxy. */
  leadTo(port: number): void;
  close(): Promise<void>;
}

/** `describe`, which says that it leaves out what is not installed. */
export function describeApiServer(): typeof describe | typeof describe.skip {
  const missing = PROGRAMS.filter((name) => programOf(name) === undefined);
  if (missing.length === 0) return describe;
  process.stderr.write(`left out: ${missing.join(' and ')} not installed; CONTRIBUTING.md says where they come from\n`);
  return describe.skip;
}

export async function startApiServer(): Promise<ApiServer> {
  const folder = await mkdtemp(join(tmpdir(), 'token-broker-api-server-'));
  const services = await startServices(join(folder, 'services.sock'));
  const [etcdPort, peerPort, port] = await Promise.all([freePort(), freePort(), freePort()]);
  const etcd = run('etcd', etcdArguments(folder, etcdPort, peerPort));
  const apiServer = run('kube-apiserver', await apiServerArguments(folder, etcdPort, port));
  const { certificate: ca } = await sharedAuthority();
  const kubeconfig = join(folder, 'kubeconfig.json');
  await writeFile(kubeconfig, kubeconfigText(`https://127.0.0.1:${port}`, ca), { mode: 0o600 });
  const send = (method: string, path: string, body?: object) =>
    request(`https://127.0.0.1:${port}${path}`, {
      method,
      fields: { Authorization: `Bearer ${TOKEN}`, 'Content-Type': 'application/json' },
      ...(body && { body: JSON.stringify(body) }),
      tls: { ca },
    });
  const close = async () => {
    await apiServer.stop();
    await etcd.stop();
    await services.close();
    await rm(folder, { recursive: true, force: true });
  };
  try {
    await untilReady(() => send('GET', '/readyz'), apiServer);
  } catch (error) {
    await close();
    throw error;
  }
  return {
    kubeconfig,
    create: (manifest, query = '') => send('POST', `${pathOf(manifest)}?fieldValidation=Strict&${query}`, manifest),
    read: (path) => send('GET', path),
    replace: (path, manifest) => send('PUT', path, manifest),
    leadTo: services.leadTo,
    close,
  };
}

function kubeconfigText(server: string, ca: string): string {
  const cluster = { server, 'certificate-authority-data': Buffer.from(ca).toString('base64') };
  return JSON.stringify({
    apiVersion: 'v1',
    kind: 'Config',
    clusters: [{ name: 'test', cluster }],
    users: [{ name: 'administrator', user: { token: TOKEN } }],
    contexts: [{ name: 'test', context: { cluster: 'test', user: 'administrator' } }],
    'current-context': 'test',
  });
}

function pathOf({ apiVersion, kind, metadata }: Manifest): string {
  const group = apiVersion.includes('/') ? `/apis/${apiVersion}` : `/api/${apiVersion}`;
  const namespace = metadata.namespace === undefined ? '' : `/namespaces/${metadata.namespace}`;
  return `${group}${namespace}/${kind.toLowerCase()}s`;
}

function etcdArguments(folder: string, port: number, peerPort: number): string[] {
  const client = `http://127.0.0.1:${port}`;
  const peer = `http://127.0.0.1:${peerPort}`;
  return flags({
    'data-dir': join(folder, 'etcd'),
    'unsafe-no-fsync': 'true',
    'log-level': 'error',
    'listen-client-urls': client,
    'advertise-client-urls': client,
    'listen-peer-urls': peer,
    'initial-advertise-peer-urls': peer,
    'initial-cluster': `default=${peer}`,
  });
}

function flags(values: Readonly<Record<string, string>>): string[] {
  return Object.entries(values).map(([name, value]) => `--${name}=${value}`);
}

async function apiServerArguments(folder: string, etcdPort: number, port: number): Promise<string[]> {
  const { cert, key } = await (await sharedAuthority()).issueServer();
  const { privateKey, publicKey } = generateKeyPairSync('rsa', { modulusLength: 2048 });
  const files = {
    'server.crt': cert,
    'server.key': key,
    'accounts.key': privateKey.export({ type: 'pkcs8', format: 'pem' }).toString(),
    'accounts.pub': publicKey.export({ type: 'spki', format: 'pem' }).toString(),
    'tokens.csv': `${TOKEN},administrator,1,system:masters\n`,
    'egress.yaml': egressTo(join(folder, 'services.sock')),
  };
  for (const [name, content] of Object.entries(files)) await writeFile(join(folder, name), content, { mode: 0o600 });
  const file = (name: keyof typeof files) => join(folder, name);
  return flags({
    'etcd-servers': `http://127.0.0.1:${etcdPort}`,
    'bind-address': '127.0.0.1',
    'secure-port': String(port),
    'cert-dir': folder,
    'tls-cert-file': file('server.crt'),
    'tls-private-key-file': file('server.key'),
    'token-auth-file': file('tokens.csv'),
    'service-account-key-file': file('accounts.pub'),
    'service-account-signing-key-file': file('accounts.key'),
    'service-account-issuer': 'https://kubernetes.default.svc',
    'service-cluster-ip-range': '10.96.0.0/24',
    'authorization-mode': 'RBAC',
    'egress-selector-config-file': file('egress.yaml'),
  });
}

/** Connections into the cluster go through a proxy of ours, since there is no network of a cluster here. */
function egressTo(socket: string): string {
  const connection = { proxyProtocol: 'HTTPConnect', transport: { uds: { udsName: socket } } };
  const kind = { apiVersion: 'apiserver.k8s.io/v1beta1', kind: 'EgressSelectorConfiguration' };
  return JSON.stringify({ ...kind, egressSelections: [{ name: 'cluster', connection }] });
}

type Services = Pick<ApiServer, 'leadTo' | 'close'>;

async function startServices(path: string): Promise<Services> {
  let target = 0;
  const sockets = new Set<Socket>();
  const server: Server = createServer().on('connect', (_request, socket: Socket) => {
    const inner = connect(target, '127.0.0.1', () => {
      socket.write('HTTP/1.1 200 OK\r\n\r\n');
      inner.pipe(socket).pipe(inner);
    });
    for (const each of [inner, socket]) {
      sockets.add(each);
      each
        .on('error', () => undefined)
        .once('close', () => {
          inner.destroy();
          socket.destroy();
        });
    }
  });
  await new Promise<void>((resolve) => server.listen(path, resolve));
  return {
    leadTo: (port) => {
      target = port;
    },
    close: () => {
      for (const socket of sockets) socket.destroy();
      return new Promise((resolve) => server.close(() => resolve()));
    },
  };
}

interface Program {
  readonly child: ChildProcess;
  said(): string;
  stop(): Promise<void>;
}

function run(name: string, args: readonly string[]): Program {
  const child = spawn(programOf(name) as string, args, { stdio: ['ignore', 'ignore', 'pipe'] });
  let text = '';
  child.stderr.setEncoding('utf8').on('data', (chunk: string) => {
    text = (text + chunk).slice(-4_000);
  });
  const exited = new Promise<void>((resolve) => child.once('exit', () => resolve()));
  return {
    child,
    said: () => text,
    async stop() {
      child.kill('SIGKILL');
      await exited;
    },
  };
}

async function untilReady(look: () => Promise<Answer>, { child, said }: Program): Promise<void> {
  while (child.exitCode === null) {
    if ((await look().catch(() => undefined))?.status === 200) return;
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
  throw new Error(`the API server ended before it was ready: ${said()}`);
}
