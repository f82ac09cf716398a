/** http-proxy-3 as its users write it: one server, one agent that keeps its connections, the token as a fixed header. */

import { readFileSync } from 'node:fs';
import http from 'node:http';
import https from 'node:https';
import httpProxy from 'http-proxy-3';

const { port, origin, token, caFile } = JSON.parse(process.argv[2]);
const { Agent } = origin.startsWith('https:') ? https : http;

const proxy = httpProxy.createProxyServer({
  target: origin,
  changeOrigin: true,
  secure: true,
  agent: new Agent({ keepAlive: true, ca: readFileSync(caFile) }),
  headers: { authorization: `Bearer ${token}` },
});
proxy.on('error', (_error, _request, response) => response.destroy());

http
  .createServer({ keepAliveTimeout: 60_000 }, (request, response) => proxy.web(request, response))
  .listen({ port, host: '127.0.0.1', backlog: 4096 });
