/** Asks an HTTP proxy for a way to somebody else (CONNECT, RFC 9110 §9.3.6), and hands the connection over once it has agreed. */

import { connect, type Socket } from 'node:net';
import { HeadCollector } from './head-collector.ts';
import { authorityOf, type Place } from './place.ts';
import { parseResponseHead } from './response-head.ts';

/** What a proxy says before it agrees. */
const MAX_HEAD_BYTES = 16 * 1024;

export interface TunnelEnds {
  readonly proxy: Place;
  /** Where the way is to lead. */
  readonly to: Place;
  /** `Proxy-Authorization`; nothing else is told the proxy. */
  readonly authorization: string | undefined;
}

/** The code says whose failure it is: the other end has not been reached. */
export class ProxyFailure extends Error {
  override readonly name = 'ProxyFailure';
  readonly code: 'PROXY_UNREACHABLE' | 'PROXY_CREDENTIALS' | 'PROXY_REFUSED';

  constructor(code: ProxyFailure['code'], cause?: unknown) {
    super('the proxy on the way does not lead on', { cause });
    this.code = code;
  }
}

export interface Handshake {
  /** The connection leads to the other end from now on; nothing has been read of it, and nobody hears its errors. */
  opened(socket: Socket): void;
  failed(error: ProxyFailure): void;
}

/** Gives the connection, to be given up by whoever no longer wants it. One of `opened` and `failed` is called, later and once. */
export function connectThrough({ proxy, to, authorization }: TunnelEnds, { opened, failed }: Handshake): Socket {
  const heads = new HeadCollector(MAX_HEAD_BYTES);
  const authority = authorityOf(to);
  const credentials = authorization === undefined ? '' : `Proxy-Authorization: ${authorization}\r\n`;
  const socket = connect({ ...proxy, noDelay: true, keepAlive: true });
  const done = () =>
    void socket
      .off('data', take)
      .off('error', unreachable)
      .off('close', unreachable)
      .on('error', () => undefined);
  const fail = (code: ProxyFailure['code'], cause?: unknown) => {
    done();
    socket.destroy();
    failed(new ProxyFailure(code, cause));
  };
  const unreachable = (cause: unknown) => fail('PROXY_UNREACHABLE', cause);
  /** Whatever a 2xx says of its body, there is none: what follows is the tunnel (RFC 9110 §9.3.6). Its other end speaks only when spoken to. */
  const judge = (text: string, bytes: Buffer) => {
    const { status } = parseResponseHead(text, 'CONNECT');
    if (status === 407) return fail('PROXY_CREDENTIALS');
    if (status < 200 || status > 299 || heads.next < bytes.length) return fail('PROXY_REFUSED');
    done();
    opened(socket.pause());
  };
  const take = (bytes: Buffer) => {
    try {
      const text = heads.collect(bytes, 0);
      if (text !== undefined) judge(text, bytes);
    } catch (error) {
      fail('PROXY_UNREACHABLE', error);
    }
  };
  socket.on('data', take).on('error', unreachable).on('close', unreachable);
  socket.write(`CONNECT ${authority} HTTP/1.1\r\nHost: ${authority}\r\n${credentials}\r\n`, 'latin1');
  return socket;
}
