/** Connections of callers that came to nothing: no request tells of them, and who opened them mostly has no log. */

import type { Log } from '../telemetry/log.ts';
import type { Metrics } from '../telemetry/metrics.ts';

/** Whoever opens thousands of connections does not write the log. */
const TELL_EVERY_MS = 60_000;

/** At one listener. @param monotonic milliseconds */
export function refusedConnections(listener: string, log: Log, metrics: Metrics, monotonic: () => number) {
  let toldAt = Number.NEGATIVE_INFINITY;
  return {
    onFull() {
      metrics.refusedConnections.inc({ listener, reason: 'full' });
      if (monotonic() - toldAt < TELL_EVERY_MS) return;
      toldAt = monotonic();
      log.warn({ listener }, 'connections refused: as many are open as may be');
    },
    onHandshakeFailed(reason: string) {
      metrics.refusedConnections.inc({ listener, reason: 'handshake' });
      log.info({ listener, reason }, 'handshake of a caller failed');
    },
  };
}
