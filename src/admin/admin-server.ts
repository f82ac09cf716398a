/** Probes and metrics, on an address of their own; on that of the admin also what the broker shows of itself, and what it can be told to do. */

import { createServer, type IncomingMessage } from 'node:http';
import type { Socket } from 'node:net';
import { refusedHost } from './accepted-host.ts';
import { type Actionable, answerAction } from './actions.ts';
import { HandedServer } from './handed-server.ts';
import { jsonPage, type Page, sendPage, textPage } from './page.ts';
import type { BrokerStatus } from './status.ts';
import { createStatusPage } from './status-page/status-page.ts';

/** What the admin pages need of the broker. */
export interface BrokerFace {
  /** `undefined` when ready, else the reason in a few words. */
  notReady(): string | undefined;
  status(): BrokerStatus;
  metrics(): Promise<{ contentType: string; text: string }>;
}

/** What probes and metrics need, of whom they are. */
export type Probed = Omit<BrokerFace, 'status'> & Partial<Pick<BrokerFace, 'status'>>;

type Pages = Readonly<Record<string, (query: string) => Page | Promise<Page>>>;

/** Probes and metrics alone. */
export function createProbesServer(probed: Probed): HandedServer {
  const pages = open(probed);
  return createPageServer((path, query, { method }) => answerOf(pages, path, method, query));
}

/** Paths match exactly: nothing else is served here, whatever the caller says of itself (GHSA-5hvv-m4w4-gf6v). */
export function createAdminServer(broker: BrokerFace, actionable: Actionable): HandedServer {
  const shown = guarded(broker);
  const pages: Pages = { ...open(broker), ...shown };
  return createPageServer(async (path, query, { method, headersDistinct: headers }) => {
    const acted = await answerAction(actionable, { path, method, headers });
    if (acted !== undefined) return acted;
    const refusal = Object.hasOwn(shown, path) ? refusedHost(actionable.hosts, headers) : undefined;
    return refusal === undefined ? answerOf(pages, path, method, query) : textPage(403, refusal);
  });
}

/** Milliseconds, and bytes. Node looks for who is late every 30s by default. */
const LIMITS = { headersTimeout: 10_000, requestTimeout: 10_000, connectionsCheckingInterval: 2_000, maxHeaderSize: 16 * 1024 };

/** Probes, a Prometheus or two and a person; many more are no sign of interest, and must not keep those out (a kubelet would end the pod). */
const MOST_CONNECTIONS = 100;

/** Nobody needs the second answer before the first; thousands that were asked for in one breath would keep everybody else waiting. */
const MOST_ASKED_AHEAD = 16;

function createPageServer(answer: (path: string, query: string, request: IncomingMessage) => Page | Promise<Page>): HandedServer {
  const owed = new WeakMap<Socket, number>();
  const server = createServer(LIMITS, (request, response) => {
    const { socket } = request;
    const count = (owed.get(socket) ?? 0) + 1;
    owed.set(socket, count);
    response.once('close', () => owed.set(socket, (owed.get(socket) ?? 1) - 1));
    if (count > MOST_ASKED_AHEAD) return void socket.destroy();
    const [path, query = ''] = (request.url ?? '').split('?', 2) as [string, string?];
    const page = async () => answer(path, query, request);
    void page()
      .catch(() => textPage(500, 'failed'))
      .then((found) => sendPage(found, request, response));
  });
  return new HandedServer(server, { roomFor: MOST_CONNECTIONS });
}

/** What anybody may read who reaches the address. */
function open(probed: Probed): Pages {
  const status = shared(() => probed.status?.());
  return {
    '/livez': () => textPage(200, 'ok'),
    '/readyz': async (query) => readiness(probed, query === 'verbose' ? ((await status())?.tokens ?? []) : []),
    '/metrics': shared(async () => {
      const { contentType, text } = await probed.metrics();
      return { status: 200, contentType, text };
    }),
  };
}

/** What no page of another site may read. */
function guarded(broker: BrokerFace): Pages {
  const page = createStatusPage();
  return { '/': () => page, '/status': shared(() => jsonPage(200, broker.status())) };
}

/** What takes long to make, made once for all who have asked for it by then: each time would cost everybody's requests that long. */
function shared<Made>(make: () => Made | Promise<Made>): () => Promise<Made> {
  let making: Promise<Made> | undefined;
  return () => {
    making ??= new Promise<void>((resolve) => setImmediate(resolve)).then(make).finally(() => {
      making = undefined;
    });
    return making;
  };
}

function answerOf(pages: Pages, path: string, method: string | undefined, query: string): Page | Promise<Page> {
  const page = Object.hasOwn(pages, path) ? pages[path] : undefined;
  if (page === undefined) return textPage(404, `not found; there are ${Object.keys(pages).join(', ')}`);
  if (method !== 'GET' && method !== 'HEAD') return { ...textPage(405, 'only GET and HEAD'), allow: 'GET, HEAD' };
  return page(query);
}

/** @param tokens to be told of */
function readiness(broker: Probed, tokens: BrokerStatus['tokens']): Page {
  const reason = broker.notReady();
  const lines = [reason === undefined ? 'ok' : `not ready: ${reason}`];
  for (const token of tokens) if (!token.perCaller) lines.push(`token ${token.name}: ${token.state}`);
  return textPage(reason === undefined ? 200 : 503, lines.join('\n'));
}
