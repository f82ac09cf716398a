/** @fastify/http-proxy as its users write it: undici's pool towards the upstream, the token put in by `rewriteRequestHeaders`. */

import { readFileSync } from 'node:fs';
import fastifyHttpProxy from '@fastify/http-proxy';
import fastify from 'fastify';

const { port, origin, token, caFile } = JSON.parse(process.argv[2]);

const server = fastify({ bodyLimit: 1024 ** 3, keepAliveTimeout: 60_000 });
await server.register(fastifyHttpProxy, {
  upstream: origin,
  undici: { connections: 128, pipelining: 1, tls: { ca: readFileSync(caFile) } },
  replyOptions: { rewriteRequestHeaders: (_request, headers) => ({ ...headers, authorization: `Bearer ${token}` }) },
});
await server.listen({ port, host: '127.0.0.1', backlog: 4096 });
