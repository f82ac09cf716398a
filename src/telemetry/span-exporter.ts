/** Posts spans to a collector, some at a time: bounded in memory and time, and never anybody's concern but the log's. */

import type { Clock } from '../clock.ts';
import { otlpOf, type Span } from './span.ts';

export interface SpanExporterParts {
  readonly endpoint: string;
  readonly serviceName: string;
  readonly headers: () => Readonly<Record<string, string>>;
  readonly clock: Clock;
  /** Spans that will not be exported. */
  readonly onDropped: (count: number) => void;
  /** Whether the collector takes them, told when that changes. `reason` is a status or a code. */
  readonly onReachable: (reachable: boolean, reason: string) => void;
}

/** Those of the OpenTelemetry SDK. */
const MOST_WAITING = 2_048;
const MOST_TOGETHER = 512;
const EXPORT_EVERY_MS = 5_000;
const EXPORT_TIMEOUT_MS = 10_000;
/** At the end of a broker. */
const LAST_EXPORT_MS = 2_000;

export class SpanExporter {
  readonly #parts: SpanExporterParts;
  #waiting: Span[] = [];
  #cancel: (() => void) | undefined;
  #exporting: Promise<void> = Promise.resolve();
  #isReachable = true;

  constructor(parts: SpanExporterParts) {
    this.#parts = parts;
  }

  add(span: Span): void {
    if (this.#waiting.length >= MOST_WAITING) return this.#parts.onDropped(1);
    this.#waiting.push(span);
    if (this.#waiting.length >= MOST_TOGETHER) this.#export(EXPORT_TIMEOUT_MS);
    else this.#cancel ??= this.#parts.clock.after(EXPORT_EVERY_MS, () => this.#export(EXPORT_TIMEOUT_MS));
  }

  /** Resolves when what was waiting has gone, or cannot go. */
  async close(): Promise<void> {
    this.#export(LAST_EXPORT_MS);
    await this.#exporting;
    this.#cancel?.();
  }

  /** One at a time. */
  #export(timeoutMs: number): void {
    this.#cancel?.();
    this.#cancel = undefined;
    this.#exporting = this.#exporting.then(async () => {
      while (this.#waiting.length > 0) await this.#post(this.#waiting.splice(0, MOST_TOGETHER), timeoutMs);
    });
  }

  async #post(spans: readonly Span[], timeoutMs: number): Promise<void> {
    const { endpoint, serviceName, headers, onDropped } = this.#parts;
    try {
      const answer = await fetch(endpoint, {
        method: 'POST',
        headers: { ...headers(), 'content-type': 'application/json' },
        body: JSON.stringify(otlpOf(serviceName, spans)),
        redirect: 'manual',
        signal: AbortSignal.timeout(timeoutMs),
      });
      await answer.body?.cancel();
      if (!answer.ok) onDropped(spans.length);
      this.#tell(answer.ok, `http_${answer.status}`);
    } catch (error) {
      onDropped(spans.length);
      this.#tell(false, codeOf(error));
    }
  }

  #tell(reachable: boolean, reason: string): void {
    if (reachable === this.#isReachable) return;
    this.#isReachable = reachable;
    this.#parts.onReachable(reachable, reason);
  }
}

/** `fetch failed` says nothing; its cause does. */
function codeOf(error: unknown): string {
  const { name, cause } = error as { name?: string; cause?: { code?: unknown } };
  return typeof cause?.code === 'string' ? cause.code.toLowerCase() : name === 'TimeoutError' ? 'timeout' : 'network';
}
