/** What is so at a scrape, told to the metrics; and what they count, begun. */

import type { HttpListener } from '../listener/http-listener.ts';
import { certificateGauges } from '../telemetry/certificate-gauges.ts';
import { type Metrics, OUTCOMES, REFUSED } from '../telemetry/metrics.ts';
import type { Tokens } from '../token/tokens.ts';
import type { Certificates } from './certificates.ts';
import type { StoreHealth } from './status/store-health.ts';
import type { UnusableFiles } from './status/unusable-files.ts';

export interface ObservedParts {
  readonly tokens: Tokens;
  readonly listeners: readonly HttpListener[];
  readonly store: StoreHealth;
  readonly unusableFiles: UnusableFiles;
  readonly certificates: Certificates;
}

/** What is read at each scrape; a broker that follows another takes its place. */
export function observeState(metrics: Metrics, { tokens, listeners, store, unusableFiles, certificates }: ObservedParts): void {
  for (const { name } of [...tokens.all(), ...tokens.allOfCallers()]) countFromZero(metrics, name);
  for (const { name: listener } of listeners) for (const reason of REFUSED) metrics.refusedConnections.inc({ listener, reason }, 0);
  metrics.observe('store_up', '1 while the shared store works, 0 while it does not.', undefined, function* () {
    yield ['', Number(store.status().state === 'working')] as const;
  });
  metrics.observe('token_seconds_left', 'Seconds until the token ends; absent while there is none.', 'token', function* () {
    for (const token of tokens.all()) {
      const { secondsLeft } = token.status();
      if (secondsLeft !== undefined) yield [token.name, secondsLeft] as const;
    }
  });
  metrics.observe('token_waiting', 'Requests waiting for the token.', 'token', function* () {
    for (const token of tokens.all()) yield [token.name, token.status().waiting] as const;
    for (const token of tokens.allOfCallers()) yield [token.name, token.waiting] as const;
  });
  metrics.observe('token_callers', 'Callers whose own token is kept, where it is made from their credentials.', 'token', function* () {
    for (const token of tokens.allOfCallers()) yield [token.name, token.callers] as const;
  });
  metrics.observe('connections_open', 'Open connections from callers.', 'listener', function* () {
    for (const listener of listeners) yield [listener.name, listener.openConnections] as const;
  });
  metrics.observe('unusable_files', '1 for each changed file that cannot be used: the old content stays.', 'file', function* () {
    for (const { key } of unusableFiles.status()) yield [key, 1] as const;
  });
  for (const { name, help, read } of certificateGauges(() => certificates.validities())) metrics.observe(name, help, 'certificate', read);
}

/** Prometheus sees differences only: of a counter that is not there before its first event, it misses that event. */
function countFromZero(metrics: Metrics, token: string): void {
  for (const outcome of OUTCOMES) metrics.grants.inc({ token, outcome }, 0);
  metrics.sharedTokens.inc({ token }, 0);
}
