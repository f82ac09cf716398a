/** The HTTPS server that the API server asks: one path, bounded in size, memory and time. */

import type { IncomingMessage } from 'node:http';
import { createServer, type Server } from 'node:https';
import type { Socket } from 'node:net';
import { type Page, sendPage, textPage } from '../admin/page.ts';
import type { Taker } from '../listener/entrances.ts';
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

export class WebhookServer implements Taker {
  readonly maxConnections = MOST_CONNECTIONS;
  readonly #review: WebhookParts['review'];
  readonly #server: Server;
  #inFlight = 0;
  /** Reviews that are being read. */
  readonly #reading = new Set<Reading>();
  #heldBytes = 0;
  #closing = false;
  #onRested = (): void => {};

  constructor({ tls, review, ...told }: WebhookParts) {
    const listener: SecureListener = { tls, authenticate: [], protocols: ['http/1.1'] };
    this.#review = review;
    this.#server = createServer({
      ...tlsOptions(listener),
      handshakeTimeout: REQUEST_MS,
      requestTimeout: REQUEST_MS,
      headersTimeout: REQUEST_MS,
      keepAliveTimeout: IDLE_MS,
      // How often Node looks for requests that take too long.
      connectionsCheckingInterval: 1_000,
    });
    this.#server.on('request', (request, response) => {
      this.#inFlight += 1;
      response.once('close', () => {
        this.#inFlight -= 1;
        if (this.#inFlight === 0) this.#onRested();
      });
      // Who breaks off before the end of its body is owed nothing; where too much comes in, its sender asks again.
      void this.#answer(request).then(
        (page) => {
          response.shouldKeepAlive &&= !this.#closing;
          sendPage(page, request, response);
        },
        () => response.destroy(),
      );
    });
    // Node watches how long requests take from this event on.
    this.#server.emit('listening');
    followTlsFiles(this.#server, listener, told);
  }

  accept(socket: Socket): void {
    this.#server.emit('connection', socket);
    socket.resume();
  }

  /** From now on each answer closes its connection; new connections are still taken. */
  announceClose(): void {
    this.#closing = true;
  }

  /** Finishes what is in flight, once nothing comes in any more; resolves to the number of reviews cut after `graceMs`. */
  async drain(graceMs: number): Promise<number> {
    this.announceClose();
    // Idle connections too.
    this.#server.close();
    let grace: NodeJS.Timeout | undefined;
    if (this.#inFlight > 0)
      await new Promise<void>((resolve) => {
        this.#onRested = resolve;
        grace = setTimeout(resolve, graceMs);
      });
    clearTimeout(grace);
    const cut = this.#inFlight;
    this.#server.closeAllConnections();
    return cut;
  }

  /** Rejects when the body breaks off, or is too much beside the others. */
  async #answer(request: IncomingMessage): Promise<Page> {
    return refusedRequest(request) ?? this.#review(await this.#read(request));
  }

  async #read(request: IncomingMessage): Promise<string> {
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

interface Reading {
  readonly request: IncomingMessage;
  bytes: number;
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
