/** Envoy with `envoy.yaml.in` beside this file, where an `envoy` of 1.34 or later is on the PATH. */

import { join } from 'node:path';
import { fillIn, type Target, versionOf } from './target.ts';

export const envoy: Target = {
  name: 'envoy',
  version: versionOf('envoy', ['--version'], /version: \w+\/([\d.]+)/),
  async prepare({ setting, folder, port, originPort, scheme }) {
    const file = join(folder, 'envoy.yaml');
    await fillIn(new URL('envoy.yaml.in', import.meta.url), file, {
      PORT: port,
      ORIGIN_PORT: originPort,
      TOKEN_ENDPOINT: setting.tokenEndpoint,
      TOKEN_PORT: new URL(setting.tokenEndpoint).port,
      TLS: scheme === 'https' ? `transport_socket: ${JSON.stringify(verifiedTls(setting.caFile))}` : '',
    });
    return ['envoy', '-c', file, '--concurrency', '1', '--use-dynamic-base-id', '--log-level', 'error'];
  },
};

/** JSON, which is YAML too. */
function verifiedTls(caFile: string): object {
  return {
    name: 'envoy.transport_sockets.tls',
    typed_config: {
      '@type': 'type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext',
      sni: 'localhost',
      common_tls_context: {
        validation_context: {
          trusted_ca: { filename: caFile },
          match_typed_subject_alt_names: [{ san_type: 'DNS', matcher: { exact: 'localhost' } }],
        },
      },
    },
  };
}
