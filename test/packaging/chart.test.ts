import { spawnSync } from 'node:child_process';
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, dirname, join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { parse } from 'yaml';
import { projectRoot } from '../../scripts/find-tool.mjs';
import { PASSWORD_HASH } from '../config/fixture.ts';
import { blocks } from '../docs/markdown.ts';
import { createAuthority } from '../helpers/certificates.ts';
import { CHART, type HelmResult, helm, type Manifest, manifestProblems, render, servicePorts, template } from './helm.ts';

const SECRETS_FOLDER = '/run/secrets/token-broker';

/** Every value that the chart has, set to something else than its default. */
const FULL = {
  image: { repository: 'images.example/token-broker', tag: '9.9.9', digest: `sha256:${'a'.repeat(64)}`, pullPolicy: 'Always' },
  imagePullSecrets: [{ name: 'pull' }],
  fullnameOverride: 'tokens',
  config: {
    listeners: {
      mesh: {
        address: '0.0.0.0:8443',
        authenticate: ['mtls', 'basic'],
        tls: {
          cert: { fromFile: `${SECRETS_FOLDER}/server/tls.crt` },
          key: { fromFile: `${SECRETS_FOLDER}/server/tls.key` },
          clientCa: { fromFile: `${SECRETS_FOLDER}/server/ca.crt` },
        },
      },
      inside: { address: '127.0.0.1:8080', authenticate: ['anonymous'] },
    },
    callers: { reports: { mtls: { uri: 'spiffe://acme.example/ns/reports/sa/*' } } },
    authorizationServers: { acme: { issuer: 'https://login.acme.example' } },
    tokens: {
      ledger: {
        authorizationServer: 'acme',
        grant: 'password',
        clientId: 'ledger',
        clientAuthentication: { method: 'client_secret_post', secret: { fromEnv: 'LEDGER_SECRET' } },
        resourceOwner: { username: 'bookkeeper', password: { fromFile: `${SECRETS_FOLDER}/ledger/password` } },
      },
    },
    routes: { ledger: { path: '/ledger', callers: ['reports'], token: 'ledger', upstream: 'https://ledger.acme.example' } },
    probes: { address: '0.0.0.0:9200' },
    shutdown: { delay: '10s', grace: '1m30s' },
  },
  secrets: {
    files: { server: 'mesh-tls', ledger: 'ledger-owner' },
    env: { LEDGER_SECRET: { secretName: 'ledger-client', key: 'secret' } },
  },
  resources: { limits: { memory: '512Mi' } },
  extraEnv: [{ name: 'NODE_USE_SYSTEM_CA', value: '1' }],
  extraEnvFrom: [{ configMapRef: { name: 'otel' } }],
  extraVolumes: [{ name: 'sockets', emptyDir: {} }],
  extraVolumeMounts: [{ name: 'sockets', mountPath: '/run/token-broker' }],
  gateway: {
    tlsSecretName: '',
    replicas: 3,
    autoscaling: { enabled: true, minReplicas: 3, maxReplicas: 5, targetCPUUtilizationPercentage: 50 },
    rollOnConfigChange: false,
    service: { type: 'LoadBalancer', annotations: { 'example.com/internal': 'true' } },
    podDisruptionBudget: { maxUnavailable: '34%' },
    networkPolicy: {
      enabled: true,
      from: [{ podSelector: {} }],
      probesFrom: [{ namespaceSelector: { matchLabels: { name: 'monitoring' } } }],
      to: [{ ipBlock: { cidr: '192.0.2.0/24' } }],
    },
    podAnnotations: { 'example.com/owner': 'payments' },
    podLabels: { tier: 'edge' },
    topologySpreadConstraints: [{ maxSkew: 1, topologyKey: 'kubernetes.io/hostname', whenUnsatisfiable: 'ScheduleAnyway' }],
    nodeSelector: { pool: 'edge' },
    tolerations: [{ key: 'edge', operator: 'Exists' }],
    affinity: { podAntiAffinity: {} },
    priorityClassName: 'high',
  },
  serviceAccount: { name: 'tokens', annotations: { 'example.com/role': 'tokens' } },
  global: { environment: 'test' },
};

const scratch = mkdtempSync(join(tmpdir(), 'token-broker-chart-'));

afterAll(() => rmSync(scratch, { recursive: true }));

const containerOf = (manifests: Map<string, Manifest>): Manifest => manifests.get('Deployment').spec.template.spec.containers[0];

describe('chart', () => {
  test('passes helm lint --strict', () => {
    expect(helm(['lint', '--strict', CHART])).toMatchObject({ status: 0 });
  });

  test('carries the version of the package', () => {
    const { version } = JSON.parse(readFileSync(join(projectRoot, 'package.json'), 'utf8'));
    const chart = parse(readFileSync(join(CHART, 'Chart.yaml'), 'utf8'));
    const values = parse(readFileSync(join(CHART, 'values.yaml'), 'utf8'));
    expect([chart.version, chart.appVersion, values.image.tag]).toEqual([version, version, version]);
  });

  test.each([
    ['its defaults', {}, ['ConfigMap', 'Deployment', 'Pod', 'PodDisruptionBudget', 'Service', 'ServiceAccount']],
    [
      'every value',
      FULL,
      ['ConfigMap', 'Deployment', 'HorizontalPodAutoscaler', 'NetworkPolicy', 'Pod', 'PodDisruptionBudget', 'Service', 'ServiceAccount'],
    ],
  ])('renders manifests that Kubernetes accepts from %s', (_name, values, kinds) => {
    const manifests = render(CHART, values);
    expect([...manifests.keys()].sort()).toEqual(kinds);
    expect([...manifests.values()].flatMap(manifestProblems)).toEqual([]);
  });

  test('a manifest with a misspelt field or a wrong type is noticed by this test', () => {
    const manifest = render(CHART, {}).get('Deployment');
    manifest.spec.template.spec.containers[0].livenesProbe = {};
    expect(manifestProblems(manifest)).toEqual(['apps/v1/Deployment has no field /spec/template/spec/containers/0/livenesProbe']);
    manifest.spec.replicas = 'two';
    expect(manifestProblems(manifest)).toHaveLength(1);
  });

  test('every value of the full file shows in what is rendered', () => {
    const { output } = template(CHART, FULL);
    for (const text of ['34%', 'example.com/internal', '192.0.2.0/24', 'monitoring', 'payments', 'tier: edge', 'priorityClassName: high']) {
      expect(output).toContain(text);
    }
    expect(containerOf(render(CHART, FULL)).image).toBe(`images.example/token-broker@sha256:${'a'.repeat(64)}`);
  });

  test('the container has no rights to spare', () => {
    for (const values of [{}, FULL]) {
      expect(containerOf(render(CHART, values)).securityContext).toEqual({
        runAsNonRoot: true,
        runAsUser: 65_532,
        runAsGroup: 65_532,
        readOnlyRootFilesystem: true,
        allowPrivilegeEscalation: false,
        capabilities: { drop: ['ALL'] },
        seccompProfile: { type: 'RuntimeDefault' },
      });
      expect(render(CHART, values).get('Deployment').spec.template.spec.automountServiceAccountToken).toBe(false);
    }
  });

  test('ports, probes and the Service follow the config, without the ports that only the pod reaches', () => {
    const manifests = render(CHART, FULL);
    expect(servicePorts(FULL)).toEqual({ tokens: [8443], 'tokens-probes': [9200] });
    const container = containerOf(manifests);
    expect(container.ports.map((port: Manifest) => port.containerPort)).toEqual([8443, 9200]);
    for (const probe of ['startupProbe', 'livenessProbe', 'readinessProbe']) expect(container[probe].httpGet.port).toBe(9200);
  });

  test('a pod gets as long to stop as the config may take', () => {
    const graceOf = (config: object) => render(CHART, { config }).get('Deployment').spec.template.spec.terminationGracePeriodSeconds;
    expect(graceOf({})).toBe(5 + 25 + 5);
    expect(graceOf(FULL.config)).toBe(10 + 90 + 5);
    expect(graceOf({ shutdown: { delay: '0s', grace: '1500ms' } })).toBe(2 + 5);
  });

  test('a changed config rolls the pods', () => {
    const checksumOf = (values: object) => render(CHART, values).get('Deployment').spec.template.metadata.annotations['checksum/config'];
    expect(checksumOf({ config: { log: { level: 'debug' } } })).not.toBe(checksumOf({}));
    expect(checksumOf({ gateway: { replicas: 5 } })).toBe(checksumOf({}));
  });

  test('one replica has no disruption budget, which would only block the node', () => {
    expect(render(CHART, { gateway: { replicas: 1 } }).has('PodDisruptionBudget')).toBe(false);
  });

  test('secrets are in no manifest: they are mounted or referred to', () => {
    const manifests = render(CHART, FULL);
    expect(manifests.has('Secret')).toBe(false);
    const { volumes, containers } = manifests.get('Deployment').spec.template.spec;
    expect(containers[0].env[0]).toEqual({ name: 'LEDGER_SECRET', valueFrom: { secretKeyRef: { name: 'ledger-client', key: 'secret' } } });
    expect(volumes.filter((volume: Manifest) => volume.secret).map((volume: Manifest) => volume.secret.secretName)).toEqual([
      'ledger-owner',
      'mesh-tls',
    ]);
    const mounts = containers[0].volumeMounts.map((mount: Manifest) => mount.mountPath);
    expect(mounts).toEqual(expect.arrayContaining([`${SECRETS_FOLDER}/server`, `${SECRETS_FOLDER}/ledger`]));
  });
});

describe('chart values', () => {
  test.each([
    ['an unknown value', { replicas: 2 }, 'replicas'],
    ['an unknown value of the gateway', { gateway: { replicaCount: 2 } }, 'replicaCount'],
    ['an unknown key of the config', { config: { listener: {} } }, 'listener'],
    [
      'a wrong type in the config',
      { config: { routes: { a: { path: '/a', token: null, upstream: 'https://a.example', via: 'yes' } } } },
      'via',
    ],
    ['a secret in the config', secretInConfig({ unsafeInline: 'hunter2' }), 'secret'],
    ['a plain secret in the config', secretInConfig('hunter2'), 'secret'],
    ['a demo in the config', { config: { demo: {} } }, 'demo'],
    ['a folder that is no volume name', { secrets: { files: { Client_Secret: 'a' } } }, 'Client_Secret'],
    ['a secret value where a reference belongs', { secrets: { env: { A: 'hunter2' } } }, 'secrets'],
    ['a gateway whose listeners may stand in another file', { config: { extends: '/etc/fleet.json' } }, 'write in config.listeners'],
    ['probes that kubelet cannot reach', { config: { probes: { address: '127.0.0.1:9100' } } }, 'kubelet cannot reach'],
  ])('refuses %s', (_name, values, said) => {
    const result = template(CHART, values);
    expect(result.status).not.toBe(0);
    expect(result.output).toContain(said);
    expect(result.output).not.toContain('hunter2');
  });
});

function secretInConfig(secret: unknown): object {
  return {
    config: { tokens: { a: { authorizationServer: 'a', grant: 'client_credentials', clientId: 'a', clientAuthentication: { secret } } } },
  };
}

describe('chart in an app chart', () => {
  let app: string;
  let updated: HelmResult;

  beforeAll(() => {
    const copy = join(scratch, 'app');
    for (const folder of ['charts', 'examples/app-chart']) cpSync(join(projectRoot, folder), join(copy, folder), { recursive: true });
    app = join(copy, 'examples/app-chart');
    updated = helm(['dependency', 'update', app]);
  });

  test('finds its dependency', () => {
    expect(updated).toMatchObject({ status: 0 });
  });

  test('passes helm lint --strict', () => {
    expect(helm(['lint', '--strict', app])).toMatchObject({ status: 0 });
  });

  test('gives the pod a native sidecar, its config and its secrets, and no gateway', () => {
    const manifests = render(app, {});
    expect([...manifests.keys()].sort()).toEqual(['ConfigMap', 'Deployment']);
    expect([...manifests.values()].flatMap(manifestProblems)).toEqual([]);
    const { initContainers, volumes } = manifests.get('Deployment').spec.template.spec;
    expect(initContainers).toHaveLength(1);
    expect(initContainers[0]).toMatchObject({ name: 'token-broker', restartPolicy: 'Always' });
    expect(initContainers[0].startupProbe.httpGet.path).toBe('/readyz');
    expect(volumes.map((volume: Manifest) => volume.name)).toEqual(['token-broker-config', 'token-broker-orders']);
    expect(volumes[0].configMap.name).toBe(manifests.get('ConfigMap').metadata.name);
  });

  test('gives the pod the time that the sidecar may take to stop, beside its own', () => {
    const secondsOf = (broker: object) => render(app, { broker }).get('Deployment').spec.template.spec.terminationGracePeriodSeconds;
    expect(secondsOf({})).toBe(30 + 25 + 5);
    expect(secondsOf({ config: { shutdown: { delay: '5s', grace: '2m' } } })).toBe(30 + 125 + 5);
  });

  test('refuses a sidecar that takes longer to stop than the pod gets, with the way out', () => {
    const bare = join(scratch, 'bare');
    cpSync(app, bare, { recursive: true });
    const file = join(bare, 'templates/deployment.yaml');
    const text = readFileSync(file, 'utf8');
    writeFileSync(file, text.replace(/^ *terminationGracePeriodSeconds.*\n/m, '').replace(' "podSeconds" $seconds', ''));
    const broker = (shutdown: object) => ({ broker: { config: { shutdown } } });
    expect(render(bare, broker({ grace: '25s' })).get('Deployment').spec.template.spec).not.toHaveProperty('terminationGracePeriodSeconds');
    const refused = template(bare, broker({ grace: '25001ms' }));
    expect(refused.status).not.toBe(0);
    expect(refused.output).toContain('config.shutdown of the sidecar takes up to 31s');
    expect(refused.output).toContain('terminationGracePeriodSeconds');
  });

  test('says how long it takes to stop where another file of "extends" could say more', () => {
    const config = { extends: '/etc/fleet.json', shutdown: { delay: '2s' } };
    const { shutdown } = JSON.parse(render(app, { broker: { config } }).get('ConfigMap').data['sidecar.config.json']);
    expect(shutdown).toEqual({ delay: '2s', grace: '25s' });
  });

  test('gives the sidecar variables, and the app none', () => {
    const extraEnv = [{ name: 'NODE_EXTRA_CA_CERTS', value: '/etc/acme-ca/ca.crt' }];
    const deployment = render(app, { broker: { extraEnv } }).get('Deployment');
    expect(manifestProblems(deployment)).toEqual([]);
    const { initContainers, containers } = deployment.spec.template.spec;
    expect(initContainers[0].env).toEqual(extraEnv);
    expect(containers[0].env.map(({ name }: Manifest) => name)).toEqual(['ORDERS_URL']);
  });

  test('refuses wrong values of the sidecar', () => {
    const result = template(app, { broker: { config: { listener: {} } } });
    expect(result.status).not.toBe(0);
    expect(result.output).toContain('listener');
  });

  test('its config passes "token-broker check"', async () => {
    expect(await checkConfig(render(app, {}).get('ConfigMap'))).toMatch(/^exit 0$/m);
  });
});

describe("the README's values", () => {
  const examples = blocks('charts/token-broker/README.md', ['yaml']).filter(({ text }) =>
    /^(?:# my-values.yaml|extraEnv:|extraVolumes:)$/m.test(text),
  );
  const hash = PASSWORD_HASH.replaceAll('$', '$$$$');

  test.each(examples)(
    'of line $line give manifests that Kubernetes accepts, and a config that passes "token-broker check"',
    async ({ text }) => {
      const manifests = render(CHART, parse(text.replace(/\$argon2id\S+…/, hash), { merge: true }));
      expect([...manifests.values()].flatMap(manifestProblems)).toEqual([]);
      expect(await checkConfig(manifests.get('ConfigMap'))).toMatch(/^exit 0$/m);
    },
  );

  test('are ten examples, of which one has all that a listener can serve', () => {
    const [, more] = examples.map(({ text }) => text);
    expect(examples).toHaveLength(10);
    expect(servicePorts(parse(more ?? '', { merge: true }))['demo-token-broker']).toEqual([8444, 8443, 8445]);
  });
});

describe('what helm says of an installation', () => {
  const said = (config: object) => {
    const { status, output } = helm(['install', 'demo', CHART, '--dry-run=client', '--values', '-'], JSON.stringify({ config }));
    expect(status).toBe(0);
    return output.slice(output.indexOf('NOTES:'));
  };
  const tls = { cert: { fromFile: 'tls.crt' }, key: { fromFile: 'tls.key' } };
  const listener = { address: '0.0.0.0:8443', authenticate: ['basic'], tls };

  test.each([
    ['without routes', {}, true],
    ['with a route', { routes: { a: { path: '/', callers: ['*'], token: null, upstream: 'https://a.example' } } }, false],
    ['that hands out tokens, which needs no routes', { listeners: { tokens: { ...listener, serve: 'token-endpoint' } } }, false],
    ['whose routes may stand in another file', { extends: '/etc/fleet/fleet.config.json', listeners: { a: listener } }, false],
  ])('of a gateway %s: %#', (_name, config, warned) => {
    expect(said(config).includes('It has no routes yet')).toBe(warned);
  });
});

describe('the rendered config', () => {
  test.each([
    ['its defaults', {}],
    ['every value', FULL],
  ])('passes "token-broker check" with %s', async (_name, values) => {
    expect(await checkConfig(render(CHART, values).get('ConfigMap'))).toMatch(/^exit 0$/m);
  });
});

/** Runs the real command on the config of a ConfigMap, with a file and a variable for each that it names. */
async function checkConfig(configMap: Manifest): Promise<string> {
  const folder = mkdtempSync(join(scratch, 'config-'));
  const contents = await secretContents();
  const text: string = configMap.data['sidecar.config.json'].replace(/(?<="(?:fromFile|callersFile)": ")[^"]+/g, (path: string) => {
    const file = join(folder, path);
    mkdirSync(dirname(file), { recursive: true });
    writeFileSync(file, contents[basename(file)] ?? 'a-secret');
    return file;
  });
  writeFileSync(join(folder, 'sidecar.config.json'), text);
  const variables = [...text.matchAll(/"fromEnv": "([^"]+)"/g)].map(([, name]) => [name, 'a-secret']);
  const command = ['src/cli/main.ts', 'check', '-c', join(folder, 'sidecar.config.json')];
  const { status, stdout, stderr } = spawnSync(process.execPath, command, {
    cwd: projectRoot,
    encoding: 'utf8',
    env: { ...process.env, ...Object.fromEntries(variables) },
  });
  return `exit ${status}\n${stdout}${stderr}`;
}

/** By file name; anything else holds a password or client secret. */
async function secretContents(): Promise<Record<string, string>> {
  const authority = await createAuthority();
  const server = await authority.issueServer();
  return {
    'tls.crt': server.cert,
    'tls.key': server.key,
    'ca.crt': authority.certificate,
    htpasswd: `ann:${PASSWORD_HASH}`,
    url: 'rediss://broker:a-secret@redis.acme.example:6379',
    acme: 'e30.e30.c2lnbmVk',
    key: Buffer.alloc(32, 1).toString('base64'),
  };
}
