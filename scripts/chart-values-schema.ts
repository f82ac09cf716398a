/** The JSON Schema of the chart's values: what Helm holds a values file to, and the table in the chart's README. */

import { configInChart, type Schema } from './config-in-chart.ts';

const text: Schema = { type: 'string' };
const secretName: Schema = { type: 'string', pattern: '^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$', maxLength: 253 };
const optionalSecretName: Schema = { anyOf: [{ const: '' }, secretName] };
const listOfObjects: Schema = { type: 'array', items: { type: 'object' } };

/** Of what becomes a part of the names of volumes and ConfigMaps. */
const VOLUME_NAME = '^[a-z0-9]([-a-z0-9]{0,38}[a-z0-9])?$';
const VARIABLE = '^[A-Za-z_][A-Za-z0-9_]*$';

/** As EnvVar of Kubernetes: what is misspelt is told before there are pods. */
const environment = {
  type: 'array',
  items: {
    type: 'object',
    properties: { name: { type: 'string', pattern: VARIABLE }, value: text, valueFrom: { type: 'object' } },
    additionalProperties: false,
    required: ['name'],
  },
};

/** What has a part of its own in values.yaml must stay: somebody who sets it to null is told so, and not where a template stumbles. */
const object = (properties: Record<string, Schema>, more: Schema = {}): Schema => ({
  type: 'object',
  properties,
  additionalProperties: false,
  required: Object.keys(properties).filter((key) => properties[key]?.properties !== undefined),
  ...more,
});
const mapOf = (values: Schema, keys = '.'): Schema => ({ type: 'object', propertyNames: { pattern: keys }, additionalProperties: values });
const about = (description: string, schema: Schema): Schema => ({ description, ...schema });

const image = object(
  {
    repository: about('Where the image is.', { type: 'string', minLength: 1 }),
    tag: about('Which version of it.', { type: 'string', pattern: '^[A-Za-z0-9_][A-Za-z0-9._-]{0,127}$' }),
    digest: about('`sha256:…`: exactly this image, whatever the tag.', { type: 'string', pattern: '^$|^sha256:[0-9a-f]{64}$' }),
    pullPolicy: about('When the node fetches it.', { enum: ['Always', 'IfNotPresent', 'Never'] }),
  },
  { required: ['repository', 'tag'] },
);

const secrets = object({
  files: about(
    'Folder → name of an existing Secret, mounted as `/run/secrets/token-broker/FOLDER`. The config names its files by `fromFile`.',
    mapOf(secretName, VOLUME_NAME),
  ),
  env: about(
    'Variable → `secretName` and `key` of an existing Secret. The config names it by `fromEnv`. Files are better: they can change.',
    mapOf(object({ secretName, key: { type: 'string', minLength: 1 } }, { required: ['secretName', 'key'] }), VARIABLE),
  ),
});

const networkPolicy = object({
  enabled: about('Whether to make a NetworkPolicy.', { type: 'boolean' }),
  from: about('Peers that may call (NetworkPolicyPeer); empty: all.', listOfObjects),
  probesFrom: about('Peers that may read probes and metrics, such as Prometheus, besides `helm test`; empty: all.', listOfObjects),
  to: about('Peers that the broker may reach, besides DNS; empty: all.', listOfObjects),
});

const gateway = object({
  enabled: about('Whether to run the broker as a Deployment of its own. `false` where an app chart includes it as a sidecar.', {
    type: 'boolean',
  }),
  tlsSecretName: about(
    'An existing Secret of type `kubernetes.io/tls`, mounted as `/run/secrets/token-broker/tls` where the config names that folder; `""`: none. ' +
      'Without `config.listeners` the gateway listens on 8443 with it and asks for Basic.',
    optionalSecretName,
  ),
  replicas: about('How many pods. With more than one, or with autoscaling, there is a PodDisruptionBudget.', {
    type: 'integer',
    minimum: 0,
  }),
  autoscaling: object({
    enabled: about('Whether a HorizontalPodAutoscaler says how many pods, instead of `gateway.replicas`.', { type: 'boolean' }),
    minReplicas: about('How many there are at least.', { type: 'integer', minimum: 1 }),
    maxReplicas: about('How many there are at most.', { type: 'integer', minimum: 1 }),
    targetCPUUtilizationPercentage: about('How much of `resources.requests.cpu` a pod is to use.', { type: 'integer', minimum: 1 }),
  }),
  service: object({
    type: about('Type of the Service; its ports follow `config.listeners`.', { enum: ['ClusterIP', 'NodePort', 'LoadBalancer'] }),
    annotations: about('Annotations of the Service.', mapOf(text)),
  }),
  podDisruptionBudget: object({
    maxUnavailable: about('How many pods may be away at once.', { type: ['integer', 'string'], minimum: 1, pattern: '^[1-9][0-9]?%$' }),
  }),
  networkPolicy,
  rollOnConfigChange: about(
    'Whether a changed config rolls the pods. `false`: the running ones take it over by themselves, a minute or so later, unless their ports or time to stop change with it.',
    { type: 'boolean' },
  ),
  podAnnotations: about('Annotations of the pods.', mapOf(text)),
  podLabels: about('More labels of the pods.', mapOf(text)),
  topologySpreadConstraints: about(
    'How pods spread; the label selector is filled in where it is absent. Default: over nodes, as far as it goes.',
    listOfObjects,
  ),
  nodeSelector: about('Which nodes.', mapOf(text)),
  tolerations: about('Which taints to bear.', listOfObjects),
  affinity: about('Where pods want to be.', { type: 'object' }),
  priorityClassName: about('Priority of the pods.', text),
});

const injector = object({
  enabled: about(
    'Whether to run the [injector](../../docs/kubernetes.md), which puts sidecars into pods of other charts. It needs the right to make a MutatingWebhookConfiguration.',
    { type: 'boolean' },
  ),
  sidecars: about(
    'Name → a sidecar that pods can ask for: `namespaces` (whose pods may have it; default: nobody), `env` (variables for containers that ask for them), ' +
      'and `config`, `secrets`, `resources`, `extraEnv`, `extraEnvFrom`, `extraVolumes`, `extraVolumeMounts`, as above.',
    mapOf(
      object(
        {
          namespaces: { type: 'array', items: { type: 'string', pattern: '^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$' } },
          env: mapOf(text, VARIABLE),
          // It is large, and so said once.
          config: { $ref: '#/properties/config' },
          secrets,
          resources: { type: 'object' },
          extraEnv: environment,
          extraEnvFrom: listOfObjects,
          extraVolumes: listOfObjects,
          extraVolumeMounts: listOfObjects,
        },
        { required: ['config'] },
      ),
      VOLUME_NAME,
    ),
  ),
  configMaps: about(
    "Whether to make each sidecar's ConfigMap, named `token-broker-NAME`, in each of its namespaces, which must exist. `false` where they bring their own.",
    { type: 'boolean' },
  ),
  extraEnv: about('Variables of the injector itself (EnvVar).', environment),
  extraEnvFrom: about('Whole ConfigMaps and Secrets of such (EnvFromSource).', listOfObjects),
  replicas: about('How many pods of the injector. With more than one there is a PodDisruptionBudget.', { type: 'integer', minimum: 0 }),
  failurePolicy: about(
    'What becomes of pods that ask for a sidecar while no injector answers: `Fail`, they are not created; `Ignore`, they go without.',
    {
      enum: ['Fail', 'Ignore'],
    },
  ),
  timeoutSeconds: about('How long the API server waits for the injector.', { type: 'integer', minimum: 1, maximum: 30 }),
  certificate: object({
    issuerRef: about(
      'An issuer of cert-manager (`name`, `kind`, `group`). Without it, and without `secretName`, Helm makes a certificate for ten years.',
      {
        type: 'object',
      },
    ),
    secretName: about('An existing Secret of type `kubernetes.io/tls`, for the host `NAME-injector.NAMESPACE.svc`.', optionalSecretName),
    caBundle: about('With `secretName`, the CA of that certificate: PEM in base64.', { type: 'string', pattern: '^[A-Za-z0-9+/=]*$' }),
  }),
  nodeSelector: about('Which nodes.', mapOf(text)),
  tolerations: about('Which taints to bear.', listOfObjects),
  priorityClassName: about('Priority of the pods.', text),
});

const serviceAccount = object({
  create: about('Whether the gateway gets a ServiceAccount; its token is never mounted.', { type: 'boolean' }),
  name: about('Its name; default: made from the release.', text),
  annotations: about('Annotations of it.', mapOf(text)),
});

const duration: Schema = { type: 'string', pattern: '^$|^([0-9]+(ms|[smhd]))+$' };
const madeWith = {
  labels: about('More labels of it, such as those by which Prometheus or Grafana selects.', mapOf(text)),
  annotations: about('Annotations of it.', mapOf(text)),
};

const monitoring = object({
  podMonitor: object({
    enabled: about('Whether to make a PodMonitor, so that the Prometheus Operator has the metrics read.', { type: 'boolean' }),
    ...madeWith,
    interval: about('How often; default: as often as Prometheus reads others.', duration),
    scrapeTimeout: about('For how long at most.', duration),
    selector: about(
      'Which pods (LabelSelector); empty: those that have this release in `app.kubernetes.io/instance`. `{ matchLabels: {} }`: all. ' +
        'Of these, the containers `token-broker` and `injector` are read.',
      { type: 'object' },
    ),
    namespaceSelector: about('In which namespaces, such as `{ any: true }`; empty: in that of the release.', { type: 'object' }),
    relabelings: about('Rules for the labels of the pods.', listOfObjects),
    metricRelabelings: about('Rules for the labels of the metrics.', listOfObjects),
  }),
  prometheusRule: object({
    enabled: about('Whether to make a PrometheusRule of `monitoring/alerts.yaml`.', { type: 'boolean' }),
    ...madeWith,
    disabled: about('Alerts to leave out, by name.', { type: 'array', items: text }),
  }),
  dashboard: object({
    enabled: about('Whether to make a ConfigMap of `monitoring/dashboard.json`, for the sidecar of Grafana.', { type: 'boolean' }),
    ...madeWith,
  }),
});

/** `configSchema` is the schema of the broker's config; its secrets may stand in the chart's values by reference only. */
export function chartValuesSchema(configSchema: Schema): Schema {
  const { $schema, title: _title, allowComments: _comments, allowTrailingCommas: _commas, ...config } = configSchema;
  return {
    $schema,
    title: 'Values of the chart token-broker',
    ...object({
      image,
      imagePullSecrets: about('Secrets for fetching the image.', { type: 'array', items: object({ name: text }) }),
      nameOverride: about('Replaces `token-broker` in names and labels.', text),
      fullnameOverride: about('Replaces the whole name of all objects.', text),
      config: about('The configuration of the broker, as in `sidecar.config.json`.', configInChart(config)),
      secrets,
      resources: about("The container's requests and limits.", { type: 'object' }),
      extraEnv: about(
        "More variables of the container (EnvVar), such as OpenTelemetry's and Node's. No secrets in them: those are in `secrets.env`, which `$(NAME)` stands for here.",
        environment,
      ),
      extraEnvFrom: about('Whole ConfigMaps and Secrets of such (EnvFromSource).', listOfObjects),
      extraVolumes: about('More volumes of the pod, such as a projected ServiceAccount token or a folder for Unix sockets.', listOfObjects),
      extraVolumeMounts: about('Where the container sees them.', listOfObjects),
      gateway,
      injector,
      serviceAccount,
      monitoring,
      global: about('Not used; Helm hands it to every chart.', { type: 'object' }),
    }),
  };
}
