/** The HTTPS server that the API server asks: one path, bounded in size, memory and time. */

import type { IncomingMessage } from 'node:http';
import { createServer } from 'node:https';
import { HandedServer } from '../admin/handed-server.ts';
import { type Page, sendPage, textPage } from '../admin/page.ts';
import { followTlsFiles, type SecureListener, type TlsObserver, tlsOptions } from '../listener/tls.ts';

export interface WebhookParts extends TlsObserver {
  readonly tls: SecureListener['tls'];
  /** Answers for the text of a review. */
  readonly review: (text: string) => Page;
}

const REVIEW_PATH = '/pods';

/** An API server takes 3 MiB for an object, and sends it here with a few words around it. */
const LONGEST_REVIEW = 4 * 1024 ** 2;
/** Of all reviews that are being read: some thousand pods of the usual size. What has come counts, not what is announced. */
const MOST_HELD = 16 * 1024 ** 2;
/** Two API servers that admit as many changes at once as they do by default (200), and room to spare. */
const MOST_CONNECTIONS = 1_000;
/** The longest time that an API server waits for a webhook is 30s; nobody needs more than a third of it to send one pod. */
const REQUEST_MS = 10_000;
/** Longer than an API server keeps an idle connection (90s): what it sends just as we close would be lost, and with it a pod. */
const IDLE_MS = 120_000;

export function createWebhookServer({ tls, review, ...told }: WebhookParts): HandedServer {
  const listener: SecureListener = { tls, authenticate: [], protocols: ['http/1.1'] };
  const reader = new ReviewReader();
  const options = {
    ...tlsOptions(listener),
    handshakeTimeout: REQUEST_MS,
    requestTimeout: REQUEST_MS,
    headersTimeout: REQUEST_MS,
    keepAliveTimeout: IDLE_MS,
    // How often Node looks for requests that take too long.
    connectionsCheckingInterval: 1_000,
  };
  const answer = async (request: IncomingMessage) => refusedRequest(request) ?? review(await reader.read(request));
  const server = createServer(options, (request, response) => {
    // Who breaks off before the end of its body is owed nothing; where too much comes in, its sender asks again.
    void answer(request).then(
      (page) => sendPage(page, request, response),
      () => response.destroy(),
    );
  });
  followTlsFiles(server, listener, told);
  return new HandedServer(server, { maxConnections: MOST_CONNECTIONS });
}

interface Reading {
  readonly request: IncomingMessage;
  bytes: number;
}

class ReviewReader {
  /** Reviews that are being read. */
  readonly #reading = new Set<Reading>();
  #heldBytes = 0;

  /** Rejects when the body breaks off, or is too much beside the others. */
  async read(request: IncomingMessage): Promise<string> {
    const chunks: Buffer[] = [];
    const reading: Reading = { request, bytes: 0 };
    this.#reading.add(reading);
    try {
      for await (const chunk of request as AsyncIterable<Buffer>) {
        reading.bytes += chunk.length;
        this.#heldBytes += chunk.length;
        chunks.push(chunk);
        if (this.#heldBytes > MOST_HELD) this.#breakOffLongest();
      }
      return Buffer.concat(chunks).toString();
    } finally {
      this.#reading.delete(reading);
      this.#heldBytes -= reading.bytes;
    }
  }

  /** Who has sent most is broken off, so that those who fill the memory hold up each other and no pod of the usual size. */
  #breakOffLongest(): void {
    const { request } = [...this.#reading].reduce((a, b) => (b.bytes > a.bytes ? b : a));
    request.destroy(new Error('too much is being read at once'));
  }
}

/** The answer to what cannot be a review, whose body is not even read. */
function refusedRequest({ method, url = '', headers }: IncomingMessage): Page | undefined {
  if (url.split('?')[0] !== REVIEW_PATH) return closing(textPage(404, `not found; there is ${REVIEW_PATH}`));
  if (method !== 'POST') return closing({ ...textPage(405, 'only POST'), allow: 'POST' });
  if (headers['content-type'] !== 'application/json') return closing(textPage(415, 'only "Content-Type: application/json"'));
  const length = headers['content-length'];
  if (length === undefined) return closing(textPage(411, 'only with "Content-Length"'));
  return Number(length) > LONGEST_REVIEW ? closing(textPage(413, `at most ${LONGEST_REVIEW} bytes`)) : undefined;
}

function closing(page: Page): Page {
  return { ...page, fields: { connection: 'close' } };
}
