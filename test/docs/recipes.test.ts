/** Each recipe of docs/recipes.md passes `check`, and gets its tokens from a server that answers as the product does. */

import { constants, createHash, verify, X509Certificate } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import type { TLSSocket } from 'node:tls';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { parse } from 'jsonc-parser';
import { allowedOrigin, type UpstreamFrom } from '../../src/authorization-server/upstream-origin.ts';
import { loadConfig } from '../../src/config/load.ts';
import { startBroker, type TestBroker } from '../helpers/broker.ts';
import { sharedAuthority } from '../helpers/certificates.ts';
import { closedAfterEach } from '../helpers/closing.ts';
import { request } from '../helpers/http-client.ts';
import { answerWith, inTurn, jsonAnswer, oauthError } from '../helpers/scripted-answers.ts';
import { type ScriptedRequest, type ScriptedServer, startScriptedServer } from '../helpers/scripted-server.ts';
import { blocks, read } from './markdown.ts';
import { createSurroundings, type Surroundings } from './surroundings.ts';
import { VENDORS, type Vendor, type VendorCall } from './vendors.ts';

const PAGE = 'docs/recipes.md';

interface Recipe {
  readonly authorizationServers: Record<string, Record<string, unknown>>;
  readonly tokens: Record<string, Record<string, unknown>>;
}

const headings = [...read(PAGE).matchAll(/^## (.+)$/gm)].map(([, heading]) => heading as string);
const recipes = blocks(PAGE, ['jsonc']).map(({ text }) => text);
const recipeOf = (heading: string) => recipes[headings.indexOf(heading)] as string;
const parsed = (text: string) => parse(text, [], { allowTrailingComma: true }) as Recipe;

let surroundings: Surroundings;
let client: X509Certificate;
beforeAll(async () => {
  const { cert, key } = await (await sharedAuthority()).issueClient({ commonName: 'orders-sidecar', key: 'rsa-2048' });
  client = new X509Certificate(cert);
  surroundings = await createSurroundings({
    certificate: cert,
    key,
    secret: 'a secret',
    password: 'a password',
    subject: 'e30.e30.c3ViamVjdA',
    assertion: 'e30.e30.d29ya2xvYWQ',
    '/run/secrets/assertion.xml': '<Assertion ID="_1"></Assertion>',
  });
});
afterAll(() => surroundings.close());

const closed = closedAfterEach();

/** The recipe within the rest of a config: one route for each token. */
function whole({ authorizationServers, tokens }: Recipe, upstream: string): Record<string, unknown> {
  const route = (token: string) => [token, { path: `/${token}`, callers: ['anonymous'], token, upstream }];
  return {
    listeners: { local: { address: '127.0.0.1:0', authenticate: ['anonymous'] } },
    authorizationServers,
    tokens,
    routes: Object.fromEntries(Object.keys(tokens).map(route)),
  };
}

interface Run {
  readonly broker: TestBroker;
  readonly authorizationServer: ScriptedServer;
  /** As the broker was told. */
  readonly issuer: string;
  /** What the upstream was sent. */
  readonly authorization: string[];
}

/** Runs one token of a recipe against a server of the test that takes the place of the product's. */
async function run(heading: string, name: string, call: VendorCall): Promise<Run> {
  const { authorizationServers, tokens } = parsed(recipeOf(heading));
  const config = tokens[name] as Record<string, unknown> & { authorizationServer: string };
  const server = config.authorizationServer;
  const authority = await sharedAuthority();
  let issuer = '';
  const { dpopNonce } = call;
  const challenges = dpopNonce === undefined ? [] : [oauthError('use_dpop_nonce', 400, [`DPoP-Nonce: ${dpopNonce}`])];
  const origin = await startScriptedServer({ answer: () => answerWith(200, [], 'ok') });
  const { token, upstream, members } = addressed(config, call, origin.url);
  const answer = inTurn(...challenges, jsonAnswer(200, { ...call.answer, ...members }));
  const authorizationServer = await startScriptedServer({
    answer: (asked, connection) => (asked.method === 'GET' ? metadata() : answer(asked, connection)),
    tls: { ...(await authority.issueServer()), ca: authority.certificate, requestCert: true, rejectUnauthorized: false },
  });
  const endpoint = authorizationServer.url + VENDORS[heading]?.endpoints[server];
  const metadata = () => jsonAnswer(200, { issuer, token_endpoint: endpoint });
  const moved = Object.entries(authorizationServers[server] ?? {}).map(([key, value]) => [
    key,
    typeof value === 'string' ? value.replace(/^https:\/\/[^/]+/, authorizationServer.url) : value,
  ]);
  const entry = { ...Object.fromEntries(moved), tls: { ca: authority.certificate } } as { issuer?: string };
  issuer = entry.issuer ?? '';
  closed(authorizationServer, origin);
  const text = JSON.stringify(whole({ authorizationServers: { [server]: entry }, tokens: { [name]: token } }, upstream));
  const { file, env } = await surroundings.place(`${heading}-${name}`, text);
  const broker = closed(await startBroker(JSON.parse(await readFile(file, 'utf8')) as Record<string, unknown>, {}, env));
  expect((await request(`${broker.url()}/${name}/x`)).status).toBe(200);
  return { broker, authorizationServer, issuer, authorization: origin.requests[0]?.field('authorization') ?? [] };
}

/** Where the answer names the upstream: what the product names fits the list, and so does the one of the test, which nothing else names. */
function addressed(token: Record<string, unknown>, { upstreamField, answer }: VendorCall, origin: string) {
  if (upstreamField === undefined) return { token, upstream: origin, members: {} };
  const { upstreamFrom: rule } = token as unknown as { upstreamFrom: UpstreamFrom };
  expect([rule.field, allowedOrigin(answer[upstreamField], rule)]).toEqual([
    upstreamField,
    answer[upstreamField]?.toString().toLowerCase(),
  ]);
  const upstreamFrom = { ...rule, allow: [...rule.allow, origin] };
  return { token: { ...token, upstreamFrom }, upstream: 'http://127.0.0.1:1', members: { [upstreamField]: origin } };
}

const formDecoded = (text: string) => new URLSearchParams(`x=${text}`).get('x');

/** Id and secret of a Basic field, decoded as RFC 6749 appendix B says. */
function basicOf(asked: ScriptedRequest): string[] {
  return asked.field('authorization').map((value) => {
    const decoded = Buffer.from(value.replace(/^Basic /, ''), 'base64').toString();
    return decoded.split(':').map(formDecoded).join(':');
  });
}

/** Of the proof of possession, where there is one. */
function nonceOf(asked: ScriptedRequest): unknown {
  const claims = asked.field('dpop')[0]?.split('.')[1];
  return claims === undefined ? undefined : (JSON.parse(Buffer.from(claims, 'base64url').toString()) as { nonce?: string }).nonce;
}

/** Header and claims of a JWT, once its signature is verified. */
function verified(jwt: string): { header: Record<string, unknown>; claims: Record<string, unknown> } {
  const [header = '', claims = '', signature = ''] = jwt.split('.');
  const json = (part: string) => JSON.parse(Buffer.from(part, 'base64url').toString()) as Record<string, unknown>;
  const padding = json(header)['alg'] === 'PS256' ? constants.RSA_PKCS1_PSS_PADDING : constants.RSA_PKCS1_PADDING;
  const key = { key: client.publicKey, padding, saltLength: constants.RSA_PSS_SALTLEN_DIGEST };
  expect(verify('sha256', Buffer.from(`${header}.${claims}`), key, Buffer.from(signature, 'base64url'))).toBe(true);
  return { header: json(header), claims: json(claims) };
}

/** With what only a run knows in place of its placeholder. */
function filled(expected: object, issuer: string): object {
  const thumbprint = createHash('sha256').update(client.raw).digest('base64url');
  return JSON.parse(JSON.stringify(expected).replaceAll('$ISSUER', issuer).replaceAll('$THUMBPRINT', thumbprint)) as object;
}

const everyCall = Object.entries(VENDORS).flatMap(([heading, { calls }]) =>
  Object.entries(calls).map(([name, call]) => [heading, name, call] as const),
);

describe('docs/recipes.md', () => {
  test('has a server to be tried on for each recipe', () => {
    expect(headings).toEqual(Object.keys(VENDORS));
    expect(recipes).toHaveLength(headings.length);
    for (const heading of headings) {
      const { tokens, authorizationServers } = parsed(recipeOf(heading));
      const { calls, endpoints } = VENDORS[heading] as Vendor;
      expect([Object.keys(tokens), Object.keys(authorizationServers)]).toEqual([Object.keys(calls), Object.keys(endpoints)]);
    }
  });

  test.each(headings)('%s: the recipe passes without a warning', async (heading) => {
    const { file, env } = await surroundings.place(heading, JSON.stringify(whole(parsed(recipeOf(heading)), 'https://orders.example')));
    const { warnings } = await loadConfig(file, { env });
    expect(warnings.map(({ path, message }) => `${path} ${message}`)).toEqual([]);
  });

  test.each(everyCall)('T01 %s, "%s": the request is what the server wants, and its answer is a token', async (heading, name, call) => {
    const { broker, authorizationServer, issuer, authorization } = await run(heading, name, call);
    const posts = authorizationServer.requests.filter(({ method }) => method === 'POST');
    expect(posts.map(nonceOf)).toEqual(call.dpopNonce === undefined ? [undefined] : [undefined, call.dpopNonce]);
    const asked = posts.at(-1) as ScriptedRequest;
    expect(asked.target).toBe(new URL(authorizationServer.url + VENDORS[heading]?.endpoints[serverOf(heading, name)]).pathname);
    expect(asked.field('content-type')[0]).toMatch(/^application\/x-www-form-urlencoded\b/);
    expect(asked.field('accept')).toEqual(['application/json']);
    expect(basicOf(asked)).toEqual(call.basic === undefined ? [] : [call.basic]);
    const { jwt } = call;
    const fields = [...new URLSearchParams(asked.body.toString())];
    expect(fields.filter(([field]) => field !== jwt?.field).sort()).toEqual(Object.entries(call.form).sort());
    if (jwt !== undefined) {
      const { header, claims } = verified(fields.find(([field]) => field === jwt.field)?.[1] ?? '');
      expect(header).toMatchObject(filled(jwt.header, issuer));
      expect(claims).toMatchObject(filled(jwt.claims, issuer));
      expect(Number(claims['exp']) - Number(claims['iat'])).toBeLessThanOrEqual(300);
    }
    const socket = authorizationServer.connections.find(({ id }) => id === asked.connectionId)?.socket as TLSSocket;
    expect(socket.getPeerX509Certificate()?.fingerprint256).toBe(call.certificate && client.fingerprint256);
    expect(authorization).toEqual([`${call.dpopNonce === undefined ? 'Bearer' : 'DPoP'} ${call.answer['access_token']}`]);
    expect(await broker.logged('token granted')).toMatchObject({ token: name, lifetimeSeconds: call.lifetimeSeconds });
  });
});

function serverOf(heading: string, name: string): string {
  return parsed(recipeOf(heading)).tokens[name]?.['authorizationServer'] as string;
}
