/** Connections of callers that came to nothing: no request tells of them, and who opened them mostly has no log. */

import type { Log } from '../telemetry/log.ts';
import type { Metrics } from '../telemetry/metrics.ts';

/** Whoever opens thousands of connections does not write the log. */
const TELL_EVERY_MS = 60_000;

/** At one listener. @param monotonic milliseconds */
export function refusedConnections(listener: string, log: Log, metrics: Pick<Metrics, 'refusedConnections'>, monotonic: () => number) {
  /** By what is said: OpenSSL knows a few hundred reasons. */
  const toldAt = new Map<string, number>();
  const isDue = (what: string): boolean => {
    const now = monotonic();
    if (now - (toldAt.get(what) ?? Number.NEGATIVE_INFINITY) < TELL_EVERY_MS) return false;
    toldAt.set(what, now);
    return true;
  };
  return {
    onFull() {
      metrics.refusedConnections.inc({ listener, reason: 'full' });
      if (isDue('full')) log.warn({ listener }, 'connections refused: as many are open as may be');
    },
    onHandshakeFailed(reason: string) {
      metrics.refusedConnections.inc({ listener, reason: 'handshake' });
      if (isDue(`handshake ${reason}`)) log.info({ listener, reason }, 'handshake of a caller failed');
    },
  };
}
