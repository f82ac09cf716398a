/**
 * The attack: a caller provokes every error that it can, and learns from the answers what stands behind the broker: names of hosts, paths,
 * words of the authorization server or the upstream, versions, places in the code.
 */

import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import packageJson from '../../package.json' with { type: 'json' };
import { ERROR_KINDS } from '../../src/errors.ts';
import { hashPassword } from '../../src/password-hash.ts';
import { type BrokerProcess, startBrokerProcess } from '../helpers/broker-process.ts';
import { type Answer, request } from '../helpers/http-client.ts';
import { AUDIENCE, claimsAt, createSigningKey } from '../helpers/issuer.ts';
import { sendRaw } from '../helpers/raw-client.ts';
import { freePort } from '../helpers/redis.ts';
import { answerWith, hang, jsonAnswer, reset, tokenAnswer } from '../helpers/scripted-answers.ts';
import { type Script, type ScriptedServer, startScriptedServer } from '../helpers/scripted-server.ts';

/** Stands in everything that the others say. */
const SAID = 'said-by-another-party';

/** What stands behind the broker, in the config of this test. */
const OTHERS = [SAID, '127.0.0.1', 'localhost', 'api.example', 'issuer.example', 'token-good', 'token-refuses', 'ledger-app'];

/** Whose keys cannot be read. */
const ISSUER = 'https://issuer.example';

/** What the broker is made of. */
const INSIDE = [
  'node:',
  'node_modules',
  '.ts',
  '.js',
  'TypeError',
  'ECONN',
  'undici',
  'openid',
  'pino',
  process.version,
  packageJson.version,
];

/** How the authorization server answers, by the last segment of the path of its token endpoint. */
const GRANTS: Record<string, Script> = {
  good: () => tokenAnswer(),
  refuses: () => jsonAnswer(400, { error: 'invalid_client', error_description: SAID, error_uri: `https://${SAID}/` }),
  fails: () => answerWith(500, ['Content-Type: text/html', `Server: ${SAID}`], `<h1>${SAID}</h1> at Module.handle (/srv/${SAID}.js:1:1)`),
  limits: () => answerWith(429, [`X-Why: ${SAID}`, 'Retry-After: 7'], SAID),
  mumbles: () => answerWith(200, [], SAID),
  mistypes: () => tokenAnswer({ token_type: SAID }),
  redirects: () => answerWith(302, [`Location: https://${SAID}.example/`]),
  drops: reset,
};

/** How the upstream answers, by the last segment of the path. */
const UPSTREAM: Record<string, Script> = {
  ok: () => answerWith(200, [], 'ok'),
  drops: reset,
  hangs: hang,
  garbles: () => `HTTP/1.1 200 ${SAID}\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n${SAID}`,
};

/** Makes the broker fail in a way that nobody foresaw. */
const FAULT = `
import { BrokerStages } from ${JSON.stringify(new URL('../../src/stages/stages.ts', import.meta.url).href)};
const route = BrokerStages.prototype.route;
BrokerStages.prototype.route = function (request, caller) {
  if (request.target === '/fault') throw new TypeError('${SAID} at ' + import.meta.url);
  return route.call(this, request, caller);
};
`;

let authorizationServer: ScriptedServer;
let origin: ScriptedServer;
let broker: BrokerProcess;
let forbidden: string[];
const answers: { what: string; answer: Answer }[] = [];

beforeAll(async () => {
  const byPath = (scripts: Record<string, Script>): Script => {
    return (asked, connection) => scripts[/([a-z]+)(?:\?|$)/.exec(asked.target)?.[1] ?? '']?.(asked, connection);
  };
  authorizationServer = await startScriptedServer({ answer: byPath(GRANTS) });
  origin = await startScriptedServer({ answer: byPath(UPSTREAM) });
  const closed = await freePort();
  const token = (authorization: string) => ({
    authorizationServer: authorization,
    grant: 'client_credentials',
    clientId: `client-${SAID}`,
    clientAuthentication: { secret: { unsafeInline: 'of the client' } },
    renew: { eager: false },
  });
  const route = (path: string, more: object) => ({
    path,
    callers: ['anonymous', 'billing'],
    token: null,
    upstream: `${origin.url}/${SAID}`,
    ...more,
  });
  const servers = [...Object.keys(GRANTS), 'closed'];
  broker = await startBrokerProcess({
    files: { 'fault.mjs': FAULT },
    nodeArgs: ['--import', './fault.mjs'],
    config: {
      listeners: {
        open: { address: '127.0.0.1:0', authenticate: ['anonymous'], limits: { headTimeout: '500ms' } },
        local: { address: '127.0.0.1:0', authenticate: ['basic'] },
        signed: { address: '127.0.0.1:0', authenticate: ['jwt'] },
      },
      callers: {
        billing: { basic: { passwordHash: await hashPassword('right') } },
        'ledger-app': { basic: { passwordHash: await hashPassword('other') } },
        batch: {
          jwt: { issuer: ISSUER, audience: AUDIENCE, claims: { sub: '*' }, jwksUri: `${authorizationServer.url}/${SAID}/fails` },
        },
      },
      authorizationServers: Object.fromEntries(
        servers.map((name) => [
          name,
          { tokenEndpoint: name === 'closed' ? `http://127.0.0.1:${closed}/${SAID}` : `${authorizationServer.url}/${SAID}/${name}` },
        ]),
      ),
      tokens: Object.fromEntries(servers.map((name) => [`token-${name}`, token(name)])),
      routes: {
        ...Object.fromEntries(servers.map((name) => [name, route(`/token/${name}`, { token: `token-${name}` })])),
        upstream: route('/upstream', { methods: ['GET', 'POST'], maxBody: '10B', timeouts: { response: '1s' } }),
        nowhere: route('/nowhere', { upstream: `http://127.0.0.1:${closed}/${SAID}` }),
        own: route('/own', { callers: ['ledger-app'] }),
        proxied: route('/', { host: 'api.example' }),
      },
    },
  });
  forbidden = [...OTHERS, ...INSIDE, broker.directory, ...[authorizationServer.port, origin.port, closed].map(String)];
  await Promise.all(servers.map((name) => ask('open', `/token/${name}/ok`)));
  for (const path of ['/upstream/drops', '/upstream/hangs', '/upstream/garbles', '/nowhere', '/unknown', '/own', '/fault'])
    await ask('open', path);
  await ask('open', '/upstream/ok', { method: 'PUT' });
  await ask('open', '/upstream/ok', { method: 'POST', body: 'far too much for this route' });
  await ask('open', '/upstream/ok', { method: 'TRACE' });
  await ask('open', '/upstream/ok', { fields: { host: 'evil.example' } });
  await ask('open', '/upstream/ok', { fields: { expect: 'wonders' } });
  await ask('open', `/${'x'.repeat(10_000)}`);
  await ask('open', '/x', { fields: { 'x-long': 'x'.repeat(20_000) } });
  await ask('local', '/upstream/ok');
  await ask('local', '/upstream/ok', { user: 'billing:wrong' });
  await ask('local', '/own', { user: 'billing:right' });
  const jwt = await (await createSigningKey()).sign(claimsAt(Date.now(), ISSUER));
  for (const token of [jwt, 'x']) await ask('signed', '/upstream/ok', { fields: { authorization: `Bearer ${token}` } });
  await Promise.all(Array.from({ length: 100 }, (_, index) => ask('local', '/upstream/ok', { user: `user${index}:wrong` })));
  for (const head of [
    'CONNECT a:1 HTTP/1.1\r\nHost: a:1',
    'GET /upstream/../own HTTP/1.1\r\nHost: a',
    'GET / HTTP/3.0\r\nHost: a',
    'GET http://api.example/ HTTP/1.1\r\nHost: api.example',
    'POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip',
  ])
    await askRaw('local', `${head}\r\nConnection: close\r\n\r\n`);
  await askRaw('open', 'GET / HTTP/1.1\r\nHos');
}, 60_000);

afterAll(async () => {
  await broker?.close();
  await Promise.all([authorizationServer?.close(), origin?.close()]);
});

async function ask(listener: string, path: string, options: Parameters<typeof request>[1] = {}): Promise<void> {
  answers.push({ what: `${options.method ?? 'GET'} ${path.slice(0, 40)}`, answer: await request(broker.url(listener) + path, options) });
}

/** Bytes that no client library sends. */
async function askRaw(listener: string, bytes: string): Promise<void> {
  const { text } = await sendRaw(broker.address(listener), bytes);
  const [head = '', body = ''] = text.split('\r\n\r\n');
  const fields = head
    .split('\r\n')
    .slice(1)
    .flatMap((line) => line.split(/: (.*)/).slice(0, 2));
  const answer = {
    status: Number(head.split(' ')[1]),
    reason: head.split('\r\n')[0]?.split(' ').slice(2).join(' '),
    fields,
    body: Buffer.from(body),
  };
  answers.push({
    what: bytes.slice(0, 40),
    answer: { ...answer, text: () => body, json: () => JSON.parse(body) as unknown } as unknown as Answer,
  });
}

describe('the answers to all that can go wrong', () => {
  const refused = () => answers.filter(({ answer }) => answer.status >= 400);
  const codeOf = ({ answer }: { answer: Answer }) => (answer.json() as { code: string }).code;

  test('X05 are one for every code, every time as application/problem+json', () => {
    expect(new Set(refused().map(codeOf))).toEqual(new Set(Object.keys(ERROR_KINDS)));
    expect([...new Set(refused().map(({ answer }) => answer.status))].sort()).toEqual([
      400, 401, 403, 404, 405, 407, 408, 413, 414, 417, 431, 500, 501, 502, 503, 504, 505,
    ]);
  });

  test('X05 hold no text of the authorization server or the upstream, no host, no path, no place in the code and no version', () => {
    const told = refused().flatMap(({ what, answer }) => {
      const text = [answer.reason, ...answer.fields, answer.text()].join('\n');
      return forbidden.filter((word) => text.includes(word)).map((word) => `${what}: ${word}`);
    });
    expect(told).toEqual([]);
  });

  test('X05 have no field and no member but those that are documented', () => {
    const fields = new Set(
      refused().flatMap(({ answer }) => answer.fields.filter((_, index) => index % 2 === 0).map((name) => name.toLowerCase())),
    );
    const documented =
      'allow cache-control connection content-length content-type date proxy-authenticate proxy-status retry-after www-authenticate x-request-id';
    expect([...fields].sort().join(' ')).toBe(documented);
    const members = new Set(refused().flatMap(({ answer }) => Object.keys(answer.json() as object)));
    expect([...members]).toEqual(['type', 'title', 'status', 'detail', 'code', 'requestId']);
  });
});
