/** What the token stage promises, measured against a raw authorization server: grants, waiting callers, memory. */

import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { systemClock } from '../src/clock.ts';
import { config as configSchema } from '../src/config/schema/root.ts';
import { planLifetime } from '../src/token/renewal.ts';
import { Tokens } from '../src/token/tokens.ts';
import { UNOBSERVED } from '../src/token/unobserved.ts';
import { type Judgement, tell } from './judgement.ts';

const LIFETIME_SECONDS = 10;
const TOKENS = 200;
const REQUESTS_PER_SECOND = 500;

/** Counts grants by client, and takes a while for each, as real ones do. */
async function startServer() {
  const grants = new Map<string, number>();
  const server = createServer((request, response) => {
    const client =
      Buffer.from(request.headers.authorization?.split(' ')[1] ?? '', 'base64')
        .toString()
        .split(':')[0] ?? '';
    grants.set(client, (grants.get(client) ?? 0) + 1);
    request.resume();
    setTimeout(() => {
      const answer = JSON.stringify({
        access_token: `token-${client}-${grants.get(client)}`.padEnd(800, 'x'),
        token_type: 'Bearer',
        expires_in: LIFETIME_SECONDS,
      });
      response.writeHead(200, { 'content-type': 'application/json', 'content-length': answer.length }).end(answer);
    }, 20);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return { grants, url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/token`, close: () => server.close() };
}

function createTokens(url: string, count: number): Tokens {
  const names = Array.from({ length: count }, (_, index) => `t${index}`);
  const clientAuthentication = { secret: { unsafeInline: 'benchmark-secret' } };
  return new Tokens({
    config: configSchema.parse({
      listeners: { local: { address: '127.0.0.1:0', authenticate: ['anonymous'] } },
      authorizationServers: { raw: { tokenEndpoint: url } },
      tokens: Object.fromEntries(
        names.map((name) => [name, { authorizationServer: 'raw', grant: 'client_credentials', clientId: name, clientAuthentication }]),
      ),
    }),
    clock: systemClock,
    ...UNOBSERVED,
  });
}

async function coldStart(): Promise<Judgement[]> {
  const server = await startServer();
  const tokens = createTokens(server.url, 1);
  const source = tokens.source('t0');
  const outcomes = await Promise.allSettled(Array.from({ length: 10_000 }, () => source.get()));
  const served = outcomes.filter((outcome) => outcome.status === 'fulfilled').length;
  const grants = server.grants.get('t0') ?? 0;
  await tokens.close();
  server.close();
  const note = `${grants} (${served} served, ${outcomes.length - served} told to come back: at most 1,000 may wait)`;
  return [{ what: '10,000 callers at once on a cold token: grants', figure: note, promised: '1', kept: grants === 1 }];
}

async function steadyLoad(seconds: number): Promise<Judgement[]> {
  const server = await startServer();
  const tokens = createTokens(server.url, TOKENS);
  await tokens.warmUp();
  const sources = tokens.all();
  const startedAt = performance.now();
  let [requests, waited] = [0, 0];
  while (performance.now() - startedAt < seconds * 1000) {
    const due = Math.floor(((performance.now() - startedAt) / 1000) * REQUESTS_PER_SECOND);
    for (; requests < due; requests += 1) {
      const source = sources[requests % TOKENS] as (typeof sources)[number];
      if (source.peek() !== undefined) continue;
      waited += 1;
      await source.get();
    }
    await new Promise((resolve) => setTimeout(resolve, 2));
  }
  const elapsedMs = performance.now() - startedAt;
  await tokens.close();
  server.close();
  return [
    {
      what: `callers that waited, of ${requests} at ${REQUESTS_PER_SECOND}/s on ${TOKENS} tokens of ${LIFETIME_SECONDS} s`,
      figure: String(waited),
      promised: '0',
      kept: waited === 0,
    },
    grantsPerToken(server.grants, elapsedMs),
  ];
}

/** Each renewal comes between the earliest and the latest moment of the rule; so does their number. */
function grantsPerToken(grants: ReadonlyMap<string, number>, elapsedMs: number): Judgement {
  const { renew } = configSchema.shape.tokens.parse({
    t: { authorizationServer: 'a', grant: 'client_credentials', clientId: 'c', clientAuthentication: { secret: { unsafeInline: 's' } } },
  })['t'] as { renew: Parameters<typeof planLifetime>[1] };
  const latest = planLifetime(LIFETIME_SECONDS * 1000, renew, 0).renewAtAge;
  const earliest = planLifetime(LIFETIME_SECONDS * 1000, renew, 1).renewAtAge;
  const [fewest, most] = [Math.floor(elapsedMs / latest) - 1, Math.ceil(elapsedMs / earliest) + 1];
  const counts = [...grants.values()];
  const figure = `${Math.min(...counts)} to ${Math.max(...counts)}`;
  return {
    what: 'grants for each token',
    figure,
    promised: `${fewest} to ${most}`,
    kept: Math.min(...counts) >= fewest && Math.max(...counts) <= most,
  };
}

async function memory(): Promise<Judgement[]> {
  const server = await startServer();
  const count = 2_000;
  // What compiling and connecting cost is paid before.
  const first = createTokens(server.url, count);
  await first.warmUp();
  const empty = createTokens(server.url, count);
  const before = await heap();
  await empty.warmUp();
  const perToken = ((await heap()) - before) / count;
  const held = empty.all().filter((source) => source.peek() !== undefined).length;
  await empty.close();
  server.close();
  return [
    {
      what: `heap for each of ${held} tokens of 800 bytes, held with its timer`,
      figure: `${Math.round(perToken)} B`,
      promised: '≤ 2048 B',
      kept: perToken <= 2048 && held === count,
    },
  ];
}

/** What stays: answers that were just read are let go of in turns of the event loop, and one run had 10 KB of each still there. */
async function heap(): Promise<number> {
  const { gc } = globalThis;
  if (gc === undefined) throw new Error('run this by "npm run bench": it needs --expose-gc');
  const figures: number[] = [];
  while (figures.length < 5) {
    await new Promise((resolve) => setTimeout(resolve, 20));
    gc();
    figures.push(process.memoryUsage().heapUsed);
  }
  return Math.min(...figures);
}

/** Tells each figure beside what is promised; returns whether all was kept. */
export async function benchTokens(seconds: number, say: (line: string) => void): Promise<boolean> {
  const results = [...(await coldStart()), ...(await memory()), ...(await steadyLoad(seconds))];
  for (const result of results) say(tell(result));
  return results.every((result) => result.kept);
}
