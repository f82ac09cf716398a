/** The chart, installed by helm into a real API server, which asks a real injector. Left out where kube-apiserver and etcd are not installed. */

import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { type ApiServer, describeApiServer, startApiServer } from '../helpers/api-server.ts';
import { type BrokerProcess, startBrokerProcess } from '../helpers/broker-process.ts';
import { createAuthority } from '../helpers/certificates.ts';
import type { Answer } from '../helpers/http-client.ts';
import { CHART, helm, type Manifest } from '../packaging/helm.ts';
import { podAsking } from './reviews.ts';

const WEBHOOKS = '/apis/admissionregistration.k8s.io/v1/mutatingwebhookconfigurations/demo-token-broker-injector';
const SECRET = '/api/v1/namespaces/apps/secrets/demo-token-broker-injector-tls';
const CONFIG = '/api/v1/namespaces/apps/configmaps/demo-token-broker-injector';
const NAMESPACES = {
  apps: {},
  shop: { 'pod-security.kubernetes.io/enforce': 'restricted' },
  books: { 'token-broker.io/inject': 'enabled' },
  elsewhere: {},
};
const VALUES = {
  gateway: { networkPolicy: { enabled: true } },
  injector: {
    enabled: true,
    sidecars: {
      orders: {
        namespaces: ['shop', 'books'],
        config: { listeners: { local: { address: '127.0.0.1:8080', authenticate: ['anonymous'] } } },
        secrets: { files: { orders: 'orders-client' } },
        env: { ORDERS_URL: 'http://127.0.0.1:8080/orders' },
      },
    },
  },
};

/** An application that the Pod Security Standard "restricted" accepts. */
const RESTRICTED = {
  securityContext: { runAsNonRoot: true, runAsUser: 1000, seccompProfile: { type: 'RuntimeDefault' } },
  containers: [{ name: 'web', image: 'web:1', securityContext: { allowPrivilegeEscalation: false, capabilities: { drop: ['ALL'] } } }],
};

describeApiServer()('a real API server with the injector', () => {
  let api: ApiServer;
  let injector: BrokerProcess;

  beforeAll(async () => {
    api = await startApiServer();
    for (const [name, labels] of Object.entries(NAMESPACES)) {
      await created({ apiVersion: 'v1', kind: 'Namespace', metadata: { name, labels } });
      // A controller would make it.
      await created({ apiVersion: 'v1', kind: 'ServiceAccount', metadata: { name: 'default', namespace: name } });
    }
    withHelm('install');
    injector = await startInjector();
    api.leadTo(Number(injector.address('webhook').split(':')[1]));
    await until(async () => isInjected((await pod('shop', {}, 'dryRun=All')).json()));
  }, 120_000);
  afterAll(async () => {
    await injector?.close();
    await api?.close();
  });

  function withHelm(command: 'install' | 'upgrade'): void {
    const where = ['--namespace', 'apps', '--kubeconfig', api.kubeconfig];
    const { status, output } = helm([command, 'demo', CHART, ...where, '--values', '-'], JSON.stringify(VALUES));
    expect([status, status === 0 ? '' : output]).toEqual([0, '']);
  }

  const read = async (path: string): Promise<Manifest> => (await api.read(path)).json();

  async function created(manifest: Manifest): Promise<Manifest> {
    const answer = await api.create(manifest);
    expect([answer.status, answer.status === 201 ? '' : answer.text()]).toEqual([201, '']);
    return answer.json();
  }

  function pod(namespace: string, metadata: object = {}, query?: string): Promise<Answer> {
    const { metadata: asking, ...rest } = podAsking(undefined, RESTRICTED);
    return api.create({ ...rest, metadata: { ...asking, namespace, ...metadata } }, query);
  }

  /** With the config, the certificate and the key that the chart has made for it. */
  async function startInjector(): Promise<BrokerProcess> {
    const { data } = await read(SECRET);
    const config = JSON.parse((await read(CONFIG)).data['injector.config.json']);
    config.webhook.address = '127.0.0.1:0';
    config.probes.address = '127.0.0.1:0';
    config.shutdown.delay = '0s';
    config.webhook.tls = { cert: { fromFile: 'tls.crt' }, key: { fromFile: 'tls.key' } };
    const [cert, key] = ['tls.crt', 'tls.key'].map((name) => Buffer.from(data[name], 'base64').toString());
    const files = { 'injector.config.json': JSON.stringify(config), 'tls.crt': `${cert}`, 'tls.key': `${key}` };
    return startBrokerProcess({ command: 'injector', config: '{}', files });
  }

  const isInjected = ({ spec }: Manifest) => spec?.initContainers?.[0]?.name === 'token-broker';
  /** Changes of a webhook reach the API server's own cache a moment later. */
  async function until(holds: () => Promise<boolean>): Promise<void> {
    while (!(await holds())) await new Promise((resolve) => setTimeout(resolve, 50));
  }
  async function setCaBundle(bundle: string): Promise<void> {
    const webhooks = await read(WEBHOOKS);
    for (const { clientConfig } of webhooks.webhooks) clientConfig.caBundle = bundle;
    expect((await api.replace(WEBHOOKS, webhooks)).status).toBe(200);
  }

  test('has the sidecar put into a pod that asks for it, under the standard "restricted"', async () => {
    const answer = await pod('shop', { annotations: { 'token-broker.io/env': 'web' } });
    expect(answer.status).toBe(201);
    const { metadata, spec } = answer.json() as Manifest;
    expect(metadata.annotations['token-broker.io/injected']).toBe('orders');
    expect(spec.initContainers[0]).toMatchObject({ name: 'token-broker', restartPolicy: 'Always', image: 'token-broker-sidecar:0.1.0' });
    expect(spec.initContainers[0].startupProbe.httpGet).toMatchObject({ path: '/readyz', port: 9100 });
    expect(spec.volumes.map(({ name }: Manifest) => name)).toEqual(expect.arrayContaining(['token-broker-config', 'token-broker-orders']));
    expect(spec.containers[0].env).toEqual([{ name: 'ORDERS_URL', value: 'http://127.0.0.1:8080/orders' }]);
  });

  test('takes a pod that has the sidecar already as it is', async () => {
    const { spec, metadata } = (await pod('shop', {}, 'dryRun=All')).json() as Manifest;
    const again = await api.create({
      ...podAsking(metadata.annotations),
      spec,
      metadata: { ...podAsking().metadata, namespace: 'shop', annotations: metadata.annotations },
    });
    expect(again.status).toBe(201);
    expect((again.json() as Manifest).spec.initContainers).toHaveLength(1);
  });

  test('refuses a pod that may not have it, in the words of the injector', async () => {
    const answer = await pod('elsewhere');
    expect([answer.status, (answer.json() as Manifest).message]).toEqual([
      403,
      expect.stringMatching(
        /^admission webhook "pods.token-broker.io" denied the request: namespace "elsewhere" may have no sidecar; have it listed /,
      ),
    ]);
  });

  test('shows the warning of the injector', async () => {
    const { metadata, ...rest } = podAsking(undefined, { ...RESTRICTED, shareProcessNamespace: true });
    const answer = await api.create({ ...rest, metadata: { ...metadata, namespace: 'shop' } });
    expect([answer.status, answer.field('warning')]).toEqual([201, expect.stringContaining('shareProcessNamespace')]);
  });

  test('asks for each pod of a namespace with the label, but those that say no', async () => {
    expect(isInjected((await pod('books', { labels: { app: 'web' } })).json())).toBe(true);
    const before = injector.log().length;
    const disabled = await pod('books', { labels: { 'token-broker.io/inject': 'disabled' } });
    expect([disabled.status, isInjected(disabled.json())]).toEqual([201, false]);
    expect(injector.log()).toHaveLength(before);
  });

  test('does not show the injector a pod that asks for nothing', async () => {
    const before = injector.log().length;
    const answer = await pod('shop', { labels: { app: 'web' } });
    expect([answer.status, isInjected(answer.json())]).toEqual([201, false]);
    expect(injector.log()).toHaveLength(before);
  });

  test('keeps the certificate that Helm has made when the chart is upgraded', async () => {
    const before = (await read(SECRET)).data;
    withHelm('upgrade');
    expect((await read(SECRET)).data).toEqual(before);
    for (const { clientConfig } of (await read(WEBHOOKS)).webhooks) expect(clientConfig.caBundle).toBe(before['ca.crt']);
  });

  test('creates no pod that asks while the CA in the webhook is another one, and all others', async () => {
    await setCaBundle(Buffer.from((await createAuthority('Another')).certificate).toString('base64'));
    await until(async () => (await pod('shop', {}, 'dryRun=All')).status === 500);
    expect(((await pod('shop')).json() as Manifest).message).toContain('x509');
    expect((await pod('shop', { labels: { app: 'web' } })).status).toBe(201);
    await setCaBundle((await read(SECRET)).data['ca.crt']);
    await until(async () => (await pod('shop', {}, 'dryRun=All')).status === 201);
  });

  test('creates no pod that asks while there is no injector, and all others', async () => {
    injector.signal('SIGTERM');
    expect(await injector.exited).toEqual({ code: 0, signal: null });
    const answer = await pod('shop');
    expect([answer.status, (answer.json() as Manifest).message]).toEqual([500, expect.stringContaining('failed calling webhook')]);
    expect((await pod('shop', { labels: { app: 'web' } })).status).toBe(201);
  });
});
