/** The injector: an admission webhook that puts the broker into pods that ask for it. It has no rights in the cluster and reads no secret but its own key. */

import { createProbesServer } from '../admin/admin-server.ts';
import type { HandedServer } from '../admin/handed-server.ts';
import { jsonPage, type Page, textPage } from '../admin/page.ts';
import { type Clock, pause } from '../clock.ts';
import type { Loaded } from '../config/loaded.ts';
import { formatProblem } from '../config/problem.ts';
import type { InjectorConfig } from '../config/schema/injector.ts';
import { Entrances } from '../listener/entrances.ts';
import { Certificates } from '../operation/certificates.ts';
import { refusedConnections } from '../operation/refused-connections.ts';
import { InjectorMetrics } from '../telemetry/injector-metrics.ts';
import type { Log } from '../telemetry/log.ts';
import { type AdmissionRequest, answerReview, readReview } from './admission-review.ts';
import { judgePod, type Verdict } from './verdict.ts';
import { createWebhookServer } from './webhook-server.ts';

export interface InjectorParts {
  readonly loaded: Loaded<InjectorConfig>;
  readonly log: Log;
  readonly clock: Clock;
}

export class Injector {
  readonly #loaded: Loaded<InjectorConfig>;
  readonly #log: Log;
  readonly #clock: Clock;
  readonly #metrics: InjectorMetrics;
  readonly #certificates: Certificates;
  readonly #entrances = new Entrances();
  readonly #webhook: HandedServer;
  readonly #probes: HandedServer;
  #notReady: string | undefined = 'starting';
  #started: Promise<void> = Promise.resolve();
  #stopWatching = (): void => {};

  constructor({ loaded, log, clock }: InjectorParts) {
    this.#loaded = loaded;
    this.#log = log;
    this.#clock = clock;
    const certificates = new Certificates(loaded.config, clock, log);
    this.#certificates = certificates;
    this.#metrics = new InjectorMetrics(() => certificates.validities());
    this.#webhook = createWebhookServer({
      tls: loaded.config.webhook.tls,
      review: (text) => this.#guardedReview(text),
      onTlsChange: () => {
        log.info('certificate taken over');
      },
      onTlsProblem: (err) => {
        this.#metrics.reloadFailures.inc();
        log.error({ listener: 'webhook', err }, 'changed TLS files cannot be used: the old ones stay');
      },
      ...refusedConnections('webhook', log, this.#metrics, () => clock.monotonic()),
    });
    this.#probes = createProbesServer({ notReady: () => this.#notReady, metrics: () => this.#metrics.render() });
  }

  /** Rejects with a `BrokerError` when an address cannot be bound. */
  start(): Promise<void> {
    this.#started = this.#start();
    return this.#started;
  }

  async #start(): Promise<void> {
    const { config, warnings, watch } = this.#loaded;
    for (const warning of warnings) this.#log.warn({ at: formatProblem(warning) }, 'config warning');
    const addresses = await this.#entrances.open([
      { name: 'probes', ...config.probes, taker: this.#probes },
      { name: 'webhook', address: config.webhook.address, taker: this.#webhook },
    ]);
    for (const [listener, address] of addresses) this.#log.info({ listener, address }, 'listening');
    const { stop } = watch({
      onProblem: (problem) => {
        this.#metrics.reloadFailures.inc();
        this.#log.error({ at: formatProblem(problem) }, 'a changed file cannot be used: the old content stays');
      },
    });
    this.#stopWatching = stop;
    this.#notReady = undefined;
    this.#log.info('ready');
  }

  /** Once it has started: stops accepting, finishes what is in flight within the grace; resolves to the number of reviews that were cut. */
  async drain(): Promise<number> {
    await this.#started.catch(() => undefined);
    const { delay, grace } = this.#loaded.config.shutdown;
    this.#notReady = 'draining';
    this.#log.info({ delaySeconds: delay / 1000, graceSeconds: grace / 1000 }, 'draining');
    this.#webhook.announceClose();
    if (delay > 0) await pause(this.#clock, delay);
    this.#entrances.close(this.#webhook);
    const cut = await this.#webhook.drain(grace);
    this.#stopWatching();
    this.#certificates.close();
    this.#entrances.close(this.#probes);
    this.#probes.close();
    this.#log.info({ cut }, 'stopped');
    return cut;
  }

  #guardedReview(text: string): Page {
    try {
      return this.#review(text);
    } catch (err) {
      this.#log.error({ err }, 'the injector failed');
      return textPage(500, 'the injector failed while it judged this pod');
    }
  }

  #review(text: string): Page {
    const request = readReview(text);
    if ('fault' in request) {
      this.#metrics.badReviews.inc();
      return textPage(400, request.fault);
    }
    const verdict = judgePod(request.pod, request.namespace, this.#loaded.config.sidecars);
    this.#report(request, verdict);
    return jsonPage(200, answerReview(request.uid, verdict));
  }

  #report({ namespace, pod }: AdmissionRequest, verdict: Verdict): void {
    const about = { namespace, pod: pod.name };
    const { outcome } = verdict;
    if (outcome === 'injected') {
      const { sidecar } = verdict;
      this.#metrics.pods.inc({ outcome, sidecar });
      return this.#log.info({ ...about, sidecar }, 'sidecar injected');
    }
    this.#metrics.pods.inc({ outcome, sidecar: '' });
    const { reason } = verdict;
    if (outcome === 'refused') this.#log.warn({ ...about, reason }, 'pod refused');
    else this.#log.info({ ...about, reason }, 'pod left alone');
  }
}
