/** The listeners of a broker, each with what it serves and with who hears of it. */

import { readPeerCertificate } from '../caller/peer-certificate.ts';
import { HttpListener } from '../listener/http-listener.ts';
import { refusedConnections } from '../operation/refused-connections.ts';
import { reportAccess } from '../operation/reporting.ts';
import type { UnusableFiles } from '../operation/status/unusable-files.ts';
import type { Tracing } from '../operation/tracing.ts';
import type { Log } from '../telemetry/log.ts';
import type { Metrics } from '../telemetry/metrics.ts';
import { createService } from './create-service.ts';
import { observed } from './observed-service.ts';
import type { ServiceParts } from './service.ts';

export interface ListenersParts extends ServiceParts {
  readonly log: Log;
  readonly metrics: Metrics;
  readonly tracing: Tracing | undefined;
  readonly unusableFiles: UnusableFiles;
  readonly onFault: (cause: unknown) => void;
}

/** None of them is bound yet. Throws where certificate and key do not fit together. */
export function createListeners(parts: ListenersParts): HttpListener[] {
  const { config, stages, clock, log, metrics, tracing, unusableFiles, onFault } = parts;
  const report = reportAccess(log, metrics, config.log.access, () => clock.monotonic());
  return Object.entries(config.listeners).map(([name, listener]) => {
    const files = `listeners.${name}.tls`;
    return new HttpListener({
      name,
      config: listener,
      ...observed(createService(listener, parts), {
        listener: name,
        clock,
        metrics,
        tracing,
        report,
        ended: (record) => stages.ended(record),
        onFault,
      }),
      onFault,
      ...refusedConnections(name, log, metrics, () => clock.monotonic()),
      readCertificate: readPeerCertificate,
      onTlsChange: () => unusableFiles.remove(files),
      onTlsProblem: (err) => {
        unusableFiles.add(files);
        log.error({ listener: name, err }, 'changed TLS files cannot be used: the old ones stay');
      },
    });
  });
}
