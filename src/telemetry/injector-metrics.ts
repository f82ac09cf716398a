/** What the injector counts; label values come from its config only. */

import { Counter, collectDefaultMetrics, Gauge, Registry } from 'prom-client';

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
  readonly reloadFailures = new Counter({
    name: 'token_broker_file_reload_failures_total',
    help: 'Changed files (certificate, key) that could not be used; the old ones stay.',
    registers: [this.#registry],
  });

  /** @param ends of certificates by their key in the config, in Unix time; read at each scrape */
  constructor(ends: () => Iterable<readonly [certificate: string, seconds: number]>) {
    const gauge: Gauge<'certificate'> = new Gauge({
      name: 'token_broker_certificate_not_after_seconds',
      help: 'When a certificate of the config ends, in Unix time.',
      labelNames: ['certificate'],
      registers: [this.#registry],
      collect() {
        for (const [certificate, seconds] of ends()) gauge.set({ certificate }, seconds);
      },
    });
    collectDefaultMetrics({ register: this.#registry });
  }

  async render(): Promise<{ contentType: string; text: string }> {
    return { contentType: this.#registry.contentType, text: await this.#registry.metrics() };
  }
}
