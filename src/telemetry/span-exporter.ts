/** Posts spans to a collector, some at a time: bounded in memory and time, and never anybody's concern but the log's. */

import type { Clock } from '../clock.ts';
import { otlpOf, type Span } from './span.ts';

export interface SpanExporterParts {
  readonly endpoint: string;
  /** Attributes of where the spans come from. */
  readonly resource: Readonly<Record<string, string>>;
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
/** At the end of a broker, for all that is left. */
const LAST_EXPORT_MS = 2_000;

export class SpanExporter {
  readonly #parts: SpanExporterParts;
  #waiting: Span[] = [];
  #cancel: (() => void) | undefined;
  #exporting: Promise<void> = Promise.resolve();
  #isReachable = true;
  /** Ends whatever is still being exported. */
  readonly #end = new AbortController();

  constructor(parts: SpanExporterParts) {
    this.#parts = parts;
  }

  add(span: Span): void {
    if (this.#waiting.length >= MOST_WAITING) return this.#parts.onDropped(1);
    this.#waiting.push(span);
    if (this.#waiting.length >= MOST_TOGETHER) this.#export();
    else this.#cancel ??= this.#parts.clock.after(EXPORT_EVERY_MS, () => this.#export());
  }

  /** Sends what is left; resolves when it has gone, or after 2 s. */
  async close(): Promise<void> {
    this.#export();
    const cancel = this.#parts.clock.after(LAST_EXPORT_MS, () => this.#end.abort());
    await this.#exporting;
    cancel();
  }

  /** One at a time. */
  #export(): void {
    this.#cancel?.();
    this.#cancel = undefined;
    this.#exporting = this.#exporting.then(async () => {
      while (this.#waiting.length > 0) await this.#post(this.#waiting.splice(0, MOST_TOGETHER));
    });
  }

  async #post(spans: readonly Span[]): Promise<void> {
    const { endpoint, resource, headers, onDropped } = this.#parts;
    try {
      const answer = await fetch(endpoint, {
        method: 'POST',
        headers: { ...headers(), 'content-type': 'application/json' },
        body: JSON.stringify(otlpOf(resource, spans)),
        redirect: 'manual',
        signal: AbortSignal.any([this.#end.signal, AbortSignal.timeout(EXPORT_TIMEOUT_MS)]),
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
