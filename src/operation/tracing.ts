/** What becomes a span: each request, and each grant. Only where the config asks for it. */

import type { Clock } from '../clock.ts';
import type { TelemetryConfig } from '../config/schema/telemetry.ts';
import { derive } from '../derive.ts';
import { type AccessRecord, failureOf } from '../exchange.ts';
import type { CallerRequest } from '../message.ts';
import type { Log } from '../telemetry/log.ts';
import type { Metrics } from '../telemetry/metrics.ts';
import { SpanExporter } from '../telemetry/span-exporter.ts';
import { receivedTraceparent } from '../telemetry/trace-context.ts';
import { Tracer } from '../telemetry/tracer.ts';
import type { TokenObserver } from '../token/observer.ts';

/** Others are anybody's text, and might be many. */
const METHODS = new Set(['GET', 'HEAD', 'POST', 'PUT', 'DELETE', 'CONNECT', 'OPTIONS', 'TRACE', 'PATCH']);

export interface TracingParts {
  readonly config: TelemetryConfig;
  readonly clock: Clock;
  readonly log: Log;
  readonly metrics: Metrics;
}

export class Tracing {
  readonly #clock: Clock;
  readonly #exporter: SpanExporter;
  readonly #tracer: Tracer;

  constructor({ config, clock, log, metrics }: TracingParts) {
    this.#clock = clock;
    this.#exporter = new SpanExporter({
      endpoint: config.tracesEndpoint,
      resource: { ...config.resourceAttributes, 'service.name': config.serviceName },
      headers: () => Object.fromEntries(Object.entries(config.headers).map(([name, value]) => [name, value.reveal()])),
      clock,
      onDropped: (count) => metrics.droppedSpans.inc(count),
      onReachable(reachable, reason) {
        if (reachable) log.info('traces exported again');
        else log.warn({ reason }, 'traces not exported: dropped until the collector takes them');
      },
    });
    this.#tracer = new Tracer(config.sampleRatio, clock, (span) => this.#exporter.add(span));
  }

  begin(request: CallerRequest): void {
    this.#tracer.begin(request, derive(request.fields, receivedTraceparent));
  }

  /** Of a request that has been begun. */
  traceparent(request: CallerRequest): string | undefined {
    return this.#tracer.traceparent(request);
  }

  end(request: CallerRequest, record: AccessRecord): void {
    const { method, route, listener, caller, status, token, startedAt } = record;
    const failure = failureOf(record);
    const shown = METHODS.has(method) ? method : '_OTHER';
    this.#tracer.end(request, this.#clock.monotonic() - startedAt, {
      kind: 'server',
      name: route === undefined ? shown : `${shown} ${route}`,
      attributes: {
        'http.request.method': shown,
        'http.response.status_code': status,
        'error.type': failure,
        'token_broker.listener': listener,
        'token_broker.caller': caller,
        'token_broker.route': route,
        'token_broker.token_fingerprint': token?.fingerprint,
      },
      failed: (status ?? 500) >= 500 || failure === 'UPSTREAM_RESET',
    });
  }

  /** The same observer, that makes a span of each grant besides. */
  observing(observer: TokenObserver): TokenObserver {
    const span = (name: string, ms: number, reason: string | undefined) => {
      const grant = {};
      this.#tracer.begin(grant, '');
      const attributes = { 'token_broker.token': name, 'error.type': reason };
      this.#tracer.end(grant, ms, { kind: 'client', name: `grant ${name}`, attributes, failed: reason !== undefined });
    };
    return {
      ...observer,
      granted: (name, token, ms) => {
        span(name, ms, undefined);
        observer.granted(name, token, ms);
      },
      grantFailed: (name, failure, outcome) => {
        span(name, outcome.ms, failure.reason);
        observer.grantFailed(name, failure, outcome);
      },
    };
  }

  /** Sends what is left, within a bound. */
  close(): Promise<void> {
    return this.#exporter.close();
  }
}
