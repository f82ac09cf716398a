/** Probes and metrics, on an address of their own. */

import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';

/** What the admin pages need of the broker. */
export interface BrokerFace {
  /** `undefined` when ready, else the reason in a few words. */
  notReady(): string | undefined;
  /** Facts for `/readyz?verbose`: name → state, holding no secret. */
  details(): Readonly<Record<string, string>>;
  metrics(): Promise<{ contentType: string; text: string }>;
}

interface Page {
  readonly status: number;
  readonly contentType: string;
  readonly text: string;
}

const text = (status: number, body: string): Page => ({ status, contentType: 'text/plain; charset=utf-8', text: `${body}\n` });

/** Paths match exactly: nothing else is served here, whatever the caller says of itself (GHSA-5hvv-m4w4-gf6v). */
export function createAdminServer(broker: BrokerFace): Server {
  const pages: Readonly<Record<string, (query: string) => Page | Promise<Page>>> = {
    '/livez': () => text(200, 'ok'),
    '/readyz': (query) => readiness(broker, query === 'verbose'),
    '/metrics': async () => {
      const { contentType, text: body } = await broker.metrics();
      return { status: 200, contentType, text: body };
    },
  };
  return createServer({ requestTimeout: 10_000, maxHeaderSize: 16 * 1024 }, (request, response) => void serve(pages, request, response));
}

async function serve(
  pages: Readonly<Record<string, (query: string) => Page | Promise<Page>>>,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  const [path, query = ''] = (request.url ?? '').split('?', 2) as [string, string?];
  const page = Object.hasOwn(pages, path) ? pages[path] : undefined;
  const answer = await answerOf(page, request.method, query);
  response.writeHead(answer.status, {
    'content-type': answer.contentType,
    'content-length': Buffer.byteLength(answer.text),
    'cache-control': 'no-store',
    'x-content-type-options': 'nosniff',
    ...(answer.status === 405 ? { allow: 'GET, HEAD' } : {}),
  });
  response.end(request.method === 'HEAD' ? undefined : answer.text);
}

async function answerOf(
  page: ((query: string) => Page | Promise<Page>) | undefined,
  method: string | undefined,
  query: string,
): Promise<Page> {
  if (page === undefined) return text(404, 'not found; there are /livez, /readyz and /metrics');
  if (method !== 'GET' && method !== 'HEAD') return text(405, 'only GET and HEAD');
  try {
    return await page(query);
  } catch {
    return text(500, 'failed');
  }
}

function readiness(broker: BrokerFace, verbose: boolean): Page {
  const reason = broker.notReady();
  const lines = [reason === undefined ? 'ok' : `not ready: ${reason}`];
  if (verbose) for (const [name, state] of Object.entries(broker.details())) lines.push(`${name}: ${state}`);
  return text(reason === undefined ? 200 : 503, lines.join('\n'));
}
