/** A service whose requests are counted, logged and traced. */

import type { Clock } from '../clock.ts';
import { type AccessRecord, createRecord } from '../exchange.ts';
import type { HttpListenerParts } from '../listener/http-listener.ts';
import type { Tracing } from '../operation/tracing.ts';
import type { Metrics } from '../telemetry/metrics.ts';
import type { Service } from './service.ts';

export interface ObservingParts {
  /** The name of the listener that serves it. */
  readonly listener: string;
  readonly clock: Clock;
  readonly metrics: Metrics;
  readonly tracing: Tracing | undefined;
  /** Every request, at its end. */
  readonly report: (record: AccessRecord) => void;
  /** Those that were handled, before they are reported. */
  readonly ended: (record: AccessRecord) => void;
  readonly onFault: (cause: unknown) => void;
}

export function observed(service: Service, parts: ObservingParts): Pick<HttpListenerParts, 'handle' | 'refuse'> {
  const { listener, clock, metrics, tracing, report, ended, onFault } = parts;
  return {
    handle(request, reply) {
      const record = createRecord(request, clock.monotonic());
      metrics.requests.inFlight += 1;
      tracing?.begin(request);
      void service
        .handle(request, reply, record)
        .then(() => {
          metrics.requests.inFlight -= 1;
          if (record.cut === 'caller' && request.sentAway) record.cut = 'broker';
          ended(record);
          report(record);
          tracing?.end(request, record);
        })
        .catch(onFault);
    },
    refuse(error, request, reply) {
      const record = createRecord({ ...request, listener }, clock.monotonic());
      service.refuse(request, reply, error, record);
      report(record);
    },
  };
}
