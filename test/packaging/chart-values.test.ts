/** What the chart makes of values at their edges: taken away, or as long as they can be. */

import { describe, expect, test } from '@jest/globals';
import { stringify } from 'yaml';
import { CHART, helm, type Manifest, manifestProblems, render, renderAll, saysMissing, saysUnknown, template } from './helm.ts';

const EVERYTHING = {
  gateway: { networkPolicy: { enabled: true }, autoscaling: { enabled: true } },
  injector: {
    enabled: true,
    sidecars: { orders: { namespaces: ['shop'], config: { listeners: {}, probes: { address: '0.0.0.0:9100' } } } },
  },
  monitoring: { podMonitor: { enabled: true }, prometheusRule: { enabled: true }, dashboard: { enabled: true } },
};
const OF_OTHERS = /^(PodMonitor|PrometheusRule)$/;

/** As `--set path=null`, which takes a default away. */
function without(path: string): object {
  const values = structuredClone(EVERYTHING) as Manifest;
  const keys = path.split('.');
  const last = keys.pop() as string;
  let place = values;
  for (const key of keys) {
    place[key] ??= {};
    place = place[key];
  }
  place[last] = null;
  return values;
}

describe('a value that is taken away', () => {
  test.each([
    ['image.tag', saysMissing('tag')],
    ['secrets', saysMissing('secrets')],
    ['gateway', saysMissing('gateway')],
    ['gateway.service', saysMissing('service')],
    ['gateway.autoscaling', saysMissing('autoscaling')],
    ['injector.certificate', saysMissing('certificate')],
    ['monitoring.podMonitor', saysMissing('podMonitor')],
    ['config', saysMissing('config')],
    ['config.probes', /config\.probes\.address is needed/],
  ])('is told of where nothing goes without it: %s', (path, said) => {
    const { status, output } = template(CHART, without(path));
    expect([status, output]).toEqual([1, expect.stringMatching(said)]);
    expect(output).not.toContain('nil pointer');
  });

  test.each([
    'secrets.files',
    'secrets.env',
    'extraEnv',
    'extraVolumes',
    'imagePullSecrets',
    'gateway.replicas',
    'gateway.tlsSecretName',
    'gateway.affinity',
    'gateway.podAnnotations',
    'gateway.topologySpreadConstraints',
    'injector.sidecars',
    'injector.certificate.issuerRef',
    'monitoring.podMonitor.labels',
    'monitoring.prometheusRule.labels',
    'monitoring.dashboard.labels',
  ])('is as good as empty where it may be empty: %s', (path) => {
    const manifests = renderAll(CHART, without(path));
    expect(manifests.filter(({ kind }) => !OF_OTHERS.test(kind)).flatMap(manifestProblems)).toEqual([]);
  });
});

describe('a mistake in a token of the config', () => {
  const token = { authorizationServer: 'acme', grant: 'client_credentials', clientId: 'orders' };
  const secret = { fromFile: '/run/secrets/token-broker/orders/secret' };
  /** The lines that name a mistake, and not only the place around one. */
  const told = (a: object): [number | null, string[]] => {
    const { status, output } = template(CHART, { config: { tokens: { a } } });
    return [status, output.split('\n').filter((line) => /^ *- (?!.*(?:failed$|Must validate))/.test(line) && status !== 0)];
  };

  test.each([
    ['a key', { ...token, clientID: 'orders' }, [saysUnknown('clientID')]],
    ['a grant', { ...token, grant: 'client_credential' }, [/tokens.a.grant.* must be one of .*client_credentials.*saml2_bearer/]],
    ['no grant', { authorizationServer: 'acme' }, [saysMissing('grant')]],
    ['a method', { ...token, clientAuthentication: { method: 'basic', secret } }, [/clientAuthentication.method.* must be one of/]],
    ['no method', { ...token, clientAuthentication: { secrets: secret } }, [saysMissing('secret'), saysUnknown('secrets')]],
    ['a key of another method', { ...token, clientAuthentication: { method: 'none', secret } }, [saysUnknown('secret')]],
  ])('is told alone: %s', (_name, given, lines) => {
    expect(told(given)).toEqual([1, lines.map((line) => expect.stringMatching(line))]);
  });

  test('is told whatever the grant and the method', () => {
    const subject = { fromFile: '/run/secrets/token-broker/orders/subject' };
    const others = [
      { ...token, clientAuthentication: { secret } },
      { ...token, grant: 'password', resourceOwner: { username: 'ann', password: secret } },
      { ...token, grant: 'refresh_token', refreshToken: secret, clientAuthentication: { method: 'client_secret_post', secret } },
      { ...token, grant: 'jwt_bearer', subject, clientAuthentication: { method: 'private_key_jwt', key: secret } },
    ];
    for (const other of others) {
      expect(told(other)).toEqual([0, []]);
      expect(told({ ...other, misspelt: true })).toEqual([1, [expect.stringMatching(saysUnknown('misspelt'))]]);
    }
  });
});

describe('names', () => {
  const longest = 'r'.repeat(53);
  const longSidecars = { [`${'s'.repeat(39)}x`]: EVERYTHING.injector.sidecars.orders };

  test.each([
    ['of the longest release', {}],
    ['of the longest release, with long names besides', { nameOverride: 'n'.repeat(63) }],
    ['that are given and too long', { fullnameOverride: `${'f'.repeat(56)}-${'f'.repeat(20)}` }],
    ['of a long sidecar', { injector: { enabled: true, sidecars: longSidecars } }],
  ])('%s are such that Kubernetes takes, and no two are one', (_name, values) => {
    const given = stringify({ ...EVERYTHING, ...values }, { version: '1.1' });
    const { status, output } = helm(['template', longest, CHART, '--namespace', 'n'.repeat(63), '--values', '-'], given);
    expect({ status, output: status === 0 ? '' : output }).toEqual({ status: 0, output: '' });
    const found = [...output.matchAll(/^kind: (\w+)\nmetadata:\n {2}name: (\S+)(?:\n {2}namespace: (\S+))?/gm)];
    expect(found.length).toBeGreaterThan(12);
    const names = found.map(([, kind, name = '', namespace]) => ({
      all: `${kind}/${namespace}/${name}`,
      name,
      most: kind === 'Secret' ? 253 : 63,
    }));
    for (const { name, most } of names) {
      expect(name).toMatch(/^[a-z0-9]([-a-z0-9]*[a-z0-9])?$/);
      expect(name.length).toBeLessThanOrEqual(most);
    }
    expect(new Set(names.map(({ all }) => all)).size).toBe(names.length);
  });

  test.each(['v'.repeat(62).concat('-rc.1'), '_nightly_', '1.0.0'])(
    'of versions are such that a label can have, also of the tag %s',
    (tag) => {
      const { labels } = render(CHART, { image: { tag } }).get('Deployment').metadata;
      expect(labels['app.kubernetes.io/version']).toMatch(/^[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?$/);
    },
  );
});
