/** The config of the injector: where it is asked, which sidecars there are, and whose pods may have them. */

import * as z from 'zod';
import { listener } from './listeners.ts';
import { config } from './root.ts';
import { address, name } from './values.ts';

const namespace = z
  .string()
  .regex(
    /^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$/,
    'is not the name of a namespace; give it in full: there are no patterns, so that nobody lets himself in by the name of a new namespace',
  )
  .meta({ examples: ['shop'] });

/** What Kubernetes calls it in a pod; the rest is Kubernetes' own, and its API server judges it with the pod. */
const named = { name: z.string().min(1, 'is empty; give a name').describe('As in a pod.') };

const sidecar = z.strictObject({
  namespaces: z.array(namespace).default([]).describe('Namespaces whose pods may have it. Default: nobody.'),
  container: z
    .looseObject({
      ...named,
      restartPolicy: z
        .literal('Always', 'must be "Always": only so does it start before the other containers and end after them')
        .describe('What makes it a native sidecar: it starts before the other containers, and ends after them.'),
    })
    .describe('The container, as it stands in `initContainers` of a pod. A pod that has one of this name is left alone.'),
  volumes: z.array(z.looseObject(named)).default([]).describe('Volumes that the container mounts, as in a pod.'),
  imagePullSecrets: z.array(z.strictObject(named)).default([]).describe('Secrets for fetching the image, as in a pod.'),
  env: z
    .record(z.string().regex(/^[A-Za-z_][A-Za-z0-9_]*$/, 'is not the name of a variable; use letters, digits and "_"'), z.string())
    .default({})
    .meta({ examples: [{ ORDERS_URL: 'http://127.0.0.1:8080/orders' }] })
    .describe(
      'Variables for those containers of the pod that the annotation `token-broker.io/env` names. One that a container has already stays.',
    ),
});

export const injectorConfig = z.strictObject({
  webhook: z
    .strictObject({
      address: address.prefault('0.0.0.0:8443'),
      tls: listener.shape.tls
        .unwrap()
        .pick({ cert: true, key: true, minVersion: true })
        .describe('The certificate that the API server is shown. New handshakes use changed files; a broken file keeps the old ones.'),
    })
    .describe('Where the API server asks about pods.'),
  probes: z
    .strictObject({ address: address.prefault('0.0.0.0:9100') })
    .prefault({})
    .describe('Probes and metrics, without TLS.'),
  sidecars: z
    .record(name, sidecar)
    .default({})
    .describe('What can be put into pods, by name: the one in the annotation `token-broker.io/sidecar`.'),
  log: config.shape.log.unwrap().pick({ level: true }).prefault({}).describe('JSON lines on standard output.'),
  shutdown: config.shape.shutdown,
});

/** The config of the injector after parsing. */
export type InjectorConfig = z.output<typeof injectorConfig>;
export type Sidecar = InjectorConfig['sidecars'][string];
