/** Connections to an http upstream through an HTTP proxy: it is sent whole URLs (RFC 9112 §3.2.2), and its own refusal is no answer of the upstream. */

import { proxyAuthorization } from '../config/proxy-authorization.ts';
import type { ProxyConfig } from '../config/schema/proxy.ts';
import type { Fields } from '../message.ts';
import { ProxyFailure } from '../wire/proxy-handshake.ts';
import type { ConnectionCounts, UpstreamAnswer, UpstreamConnections, UpstreamFlow, UpstreamRequest } from './connections.ts';
import { toUpstreamError } from './failure.ts';

export class ThroughProxy implements UpstreamConnections {
  readonly #connections: UpstreamConnections;
  readonly #origin: string;
  readonly #proxy: ProxyConfig;

  /**
   * @param connections to the proxy
   * @param origin scheme, host and port of the upstream
   */
  constructor(connections: UpstreamConnections, origin: string, proxy: ProxyConfig) {
    this.#connections = connections;
    this.#origin = origin;
    this.#proxy = proxy;
  }

  counts(): ConnectionCounts {
    return this.#connections.counts();
  }

  send(request: UpstreamRequest, answer: UpstreamAnswer): UpstreamFlow {
    const authorization = proxyAuthorization(this.#proxy);
    const fields = authorization === undefined ? request.fields : [...request.fields, ['proxy-authorization', authorization]];
    const proxied = new ProxiedAnswer(answer, () => flow.abort());
    const flow = this.#connections.send({ ...request, target: this.#origin + request.target, fields }, proxied);
    return flow;
  }

  close(): Promise<void> {
    return this.#connections.close();
  }
}

class ProxiedAnswer implements UpstreamAnswer {
  readonly #answer: UpstreamAnswer;
  readonly #abort: () => void;

  constructor(answer: UpstreamAnswer, abort: () => void) {
    this.#answer = answer;
    this.#abort = abort;
  }

  interim(status: number, fields: Fields): void {
    this.#answer.interim(status, fields);
  }

  head(status: number, reason: string, fields: Fields): void {
    if (status !== 407) return this.#answer.head(status, reason, fields);
    this.#abort();
    this.#answer.fail(toUpstreamError(new ProxyFailure('PROXY_CREDENTIALS')), false);
  }

  chunk(bytes: Uint8Array): void {
    this.#answer.chunk(bytes);
  }

  end(trailers: Fields): void {
    this.#answer.end(trailers);
  }

  fail(...failure: Parameters<UpstreamAnswer['fail']>): void {
    this.#answer.fail(...failure);
  }
}
