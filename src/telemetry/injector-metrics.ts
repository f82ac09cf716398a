/** What the injector counts; label values come from its config only. */

import { Counter, collectDefaultMetrics, Gauge, Registry } from 'prom-client';
import { type CertificateEdges, certificateGauges } from './certificate-gauges.ts';

export class InjectorMetrics {
  readonly #registry = new Registry();

  readonly pods = new Counter({
    name: 'token_broker_pods_total',
    help: 'Pods that the API server asked about, by outcome (injected, left-alone, refused) and the sidecar that was put in.',
    labelNames: ['outcome', 'sidecar'] as const,
    registers: [this.#registry],
  });
  readonly badReviews = new Counter({
    name: 'token_broker_bad_reviews_total',
    help: 'Requests to the webhook that were no review of the creation of a pod.',
    registers: [this.#registry],
  });
  readonly refusedConnections = new Counter({
    name: 'token_broker_connections_refused_total',
    help: 'Connections that came to nothing, by reason.',
    labelNames: ['listener', 'reason'] as const,
    registers: [this.#registry],
  });
  readonly reloadFailures = new Counter({
    name: 'token_broker_file_reload_failures_total',
    help: 'Changed files (certificate, key) that could not be used; the old ones stay.',
    registers: [this.#registry],
  });

  /** @param edges read at each scrape */
  constructor(edges: () => Iterable<CertificateEdges>) {
    for (const { name, help, read } of certificateGauges(edges)) {
      const gauge: Gauge<'certificate'> = new Gauge({
        name: `token_broker_${name}`,
        help,
        labelNames: ['certificate'],
        registers: [this.#registry],
        collect() {
          gauge.reset();
          for (const [certificate, seconds] of read()) gauge.set({ certificate }, seconds);
        },
      });
    }
    collectDefaultMetrics({ register: this.#registry });
  }

  async render(): Promise<{ contentType: string; text: string }> {
    return { contentType: this.#registry.contentType, text: await this.#registry.metrics() };
  }
}
