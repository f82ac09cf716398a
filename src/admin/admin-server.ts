/** Probes and metrics, on an address of their own; on that of the admin also what the broker shows of itself, and what it can be told to do. */

import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { refusedHost } from './accepted-host.ts';
import { type Actionable, answerAction } from './actions.ts';
import { jsonPage, type Page, textPage } from './page.ts';
import type { BrokerStatus } from './status.ts';
import { createStatusPage } from './status-page/status-page.ts';

/** What the admin pages need of the broker. */
export interface BrokerFace {
  /** `undefined` when ready, else the reason in a few words. */
  notReady(): string | undefined;
  status(): BrokerStatus;
  metrics(): Promise<{ contentType: string; text: string }>;
}

type Pages = Readonly<Record<string, (query: string) => Page | Promise<Page>>>;

/**
 * Paths match exactly: nothing else is served here, whatever the caller says of itself (GHSA-5hvv-m4w4-gf6v).
 *
 * @param actionable absent where others than the admin may ask
 */
export function createAdminServer(broker: BrokerFace, actionable?: Actionable): Server {
  const open: Pages = {
    '/livez': () => textPage(200, 'ok'),
    '/readyz': (query) => readiness(broker, query === 'verbose'),
    '/metrics': async () => {
      const { contentType, text: body } = await broker.metrics();
      return { status: 200, contentType, text: body };
    },
  };
  const shown = actionable === undefined ? {} : guarded(broker);
  const pages: Pages = { ...open, ...shown };
  const answer = async (request: IncomingMessage): Promise<Page> => {
    const [path, query = ''] = (request.url ?? '').split('?', 2) as [string, string?];
    const { method, headersDistinct: headers } = request;
    const acted = actionable && (await answerAction(actionable, { path, method, headers }));
    if (acted !== undefined) return acted;
    const refusal = actionable && Object.hasOwn(shown, path) ? refusedHost(actionable.hosts, headers) : undefined;
    return refusal === undefined ? answerOf(pages, path, method, query) : textPage(403, refusal);
  };
  return createServer(
    { requestTimeout: 10_000, maxHeaderSize: 16 * 1024 },
    (request, response) =>
      void answer(request)
        .catch(() => textPage(500, 'failed'))
        .then((page) => send(page, request, response)),
  );
}

/** What no page of another site may read. */
function guarded(broker: BrokerFace): Pages {
  const page = createStatusPage();
  return { '/': () => page, '/status': () => jsonPage(200, broker.status()) };
}

function send(page: Page, request: IncomingMessage, response: ServerResponse): void {
  response.writeHead(page.status, {
    'content-type': page.contentType,
    'content-length': Buffer.byteLength(page.text),
    'cache-control': 'no-store',
    'x-content-type-options': 'nosniff',
    ...(page.allow === undefined ? {} : { allow: page.allow }),
    ...page.fields,
  });
  response.end(request.method === 'HEAD' ? undefined : page.text);
}

function answerOf(pages: Pages, path: string, method: string | undefined, query: string): Page | Promise<Page> {
  const page = Object.hasOwn(pages, path) ? pages[path] : undefined;
  if (page === undefined) return textPage(404, `not found; there are ${Object.keys(pages).join(', ')}`);
  if (method !== 'GET' && method !== 'HEAD') return { ...textPage(405, 'only GET and HEAD'), allow: 'GET, HEAD' };
  return page(query);
}

function readiness(broker: BrokerFace, verbose: boolean): Page {
  const reason = broker.notReady();
  const lines = [reason === undefined ? 'ok' : `not ready: ${reason}`];
  if (verbose) for (const token of broker.status().tokens) if (!token.perCaller) lines.push(`token ${token.name}: ${token.state}`);
  return textPage(reason === undefined ? 200 : 503, lines.join('\n'));
}
