/** An upstream that speaks HTTP/2 by `node:http2`. */

import {
  createSecureServer,
  createServer,
  type Http2Server,
  type ServerHttp2Session,
  type ServerHttp2Stream,
  type ServerOptions,
} from 'node:http2';
import { createAuthority } from './certificates.ts';

export type Handle = (stream: ServerHttp2Stream, head: Record<string, string>, raw: string[]) => unknown;

export interface Http2Origin {
  readonly url: string;
  readonly files: Record<string, string>;
  readonly sessions: ServerHttp2Session[];
  /** The heads of all requests, raw. */
  readonly heads: string[][];
  close(): Promise<void>;
}

export async function startHttp2Origin(handle: Handle, options: ServerOptions & { secure?: boolean } = {}): Promise<Http2Origin> {
  const { secure = false, ...rest } = options;
  const authority = await createAuthority();
  const identity = await authority.issueServer();
  const lenient = { strictSingleValueFields: false, ...rest };
  const server: Http2Server = secure ? createSecureServer({ ...lenient, ...identity }) : createServer(lenient);
  const sessions: ServerHttp2Session[] = [];
  const heads: string[][] = [];
  server.on('session', (session) => {
    sessions.push(session);
    session.on('error', () => {});
  });
  server.on('stream', (stream, head, _flags, raw: string[]) => {
    stream.on('error', () => {});
    heads.push(raw);
    void handle(stream, head as Record<string, string>, raw);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as { port: number };
  return {
    url: `${secure ? 'https' : 'http'}://127.0.0.1:${port}`,
    files: { 'ca.pem': authority.certificate },
    sessions,
    heads,
    async close() {
      for (const session of sessions) session.destroy();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

/** What a route says to reach it. */
export function routeTo({ url }: Pick<Http2Origin, 'url'>): Record<string, unknown> {
  const secure = url.startsWith('https:');
  return {
    upstream: url,
    upstreamProtocol: secure ? 'h2' : 'h2c',
    ...(secure ? { upstreamTls: { ca: { fromFile: 'ca.pem' } } } : {}),
  };
}
