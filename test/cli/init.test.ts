import { readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { basename, dirname } from 'node:path';
import { PassThrough } from 'node:stream';
import { afterAll, afterEach, beforeAll, describe, expect, test } from '@jest/globals';
import { initCommand } from '../../src/cli/init.ts';
import { parsePasswordHash, verifyPassword } from '../../src/password-hash.ts';
import { useDirectory } from '../config/fixture.ts';
import { createSurroundings, type Surroundings } from '../docs/surroundings.ts';
import { spawnBroker } from '../helpers/broker-process.ts';
import { createAuthority } from '../helpers/certificates.ts';
import { request } from '../helpers/http-client.ts';
import { freePort } from '../helpers/redis.ts';
import { answerWith, metadataAnswer, tokenAnswer } from '../helpers/scripted-answers.ts';
import { type ScriptedServer, startScriptedServer } from '../helpers/scripted-server.ts';
import { run } from './run.ts';
import { Terminal } from './terminal.ts';

const directory = useDirectory();
const file = () => directory.path('sidecar.config.json');
const written = () => readFile(file(), 'utf8');
const REQUIRED = ['--upstream', 'https://api.acme.example/v1', '--issuer', 'https://login.acme.example', '--client-id', 'orders-sidecar'];

afterEach(() => rm(file(), { force: true }));

const init = (...args: string[]) => run(['init', '-c', file(), ...args]);

/** What was told once. */
const passwordIn = (stdout: string) => /holds its hash\):\n {2}(\S+)\n/.exec(stdout)?.[1] ?? '';

describe('token-broker init without a terminal', () => {
  let surroundings: Surroundings;
  beforeAll(async () => {
    const { cert, key } = await (await createAuthority()).issueServer();
    surroundings = await createSurroundings({ cert, key, certificate: cert });
  });
  afterAll(() => surroundings.close());

  test.each([
    ['the least', []],
    ['a token endpoint', ['--token-endpoint', 'https://sts.acme.example/token']],
    ['the password grant', ['--grant', 'password', '--scope', 'orders.read orders.write', '--path', '/orders']],
    ['a secret from a file', ['--client-authentication', 'client_secret_post', '--secret-from', 'file:secrets/client secret']],
    ['a signed assertion', ['--client-authentication', 'private_key_jwt']],
    ['a client certificate', ['--client-authentication', 'tls_client_auth', '--key-from', 'env:CLIENT_KEY']],
    ['whoever is on this machine', ['--authenticate', 'anonymous', '--client-authentication', 'client_secret_jwt']],
    ['mutual TLS', ['--authenticate', 'mtls', '--caller-certificate', 'uri:spiffe://acme.example/ns/*/sa/app', '--caller', 'reports']],
    ['users of a file', ['--callers-file', 'callers.htpasswd']],
    ['JWTs', ['--authenticate', 'jwt', '--caller', 'batch', '--caller-issuer', 'https://idp.acme.example', '--caller-subject', 'batch-*']],
    ['Basic with TLS, for others', ['--listen', '0.0.0.0:8443']],
    ['a Unix socket', ['--listen', 'unix:/run/token-broker/token.sock', '--authenticate', 'anonymous']],
    ['a Redis', ['--redis-from', 'env:REDIS_URL', '--path', '/2nd/api']],
  ])('K01 writes a config that "check" finds nothing in: %s', async (what, args) => {
    const required = args[0] === '--token-endpoint' ? REQUIRED.filter((_arg, i) => i !== 2 && i !== 3) : REQUIRED;
    expect((await init(...required, ...args)).code).toBe(0);
    const placed = await surroundings.place(what, await written());
    expect(await run(['check', '-c', placed.file], { env: placed.env })).toMatchObject({ code: 0, stderr: '' });
  });

  test('writes a config for a ticket of Kerberos, and says how to get the key and the library', async () => {
    const { code, stdout } = await init(...REQUIRED, '--authenticate', 'negotiate', '--caller-principal', 'app@ACME.EXAMPLE');
    expect(code).toBe(0);
    expect(await written()).toContain('"negotiate": { "keytab": "http.keytab" }');
    expect(stdout.replaceAll(dirname(file()), 'HERE')).toContain(
      [
        '  (umask 077 && mkdir -p HERE && kadmin -q "ktadd -k HERE/http.keytab HTTP/$(hostname -f)")',
        '  npm install --global kerberos@7.0.0   # the Kerberos library',
      ].join('\n'),
    );
    expect(stdout).toContain('  curl --negotiate --user : --connect-to ::127.0.0.1:8080 http://$(hostname -f):8080/\n');
    const placed = await surroundings.place('a ticket', await written());
    const { stderr } = await run(['check', '-c', placed.file], { env: placed.env });
    expect(stderr).toMatch(/^[^\n]+ is "negotiate", which needs the npm package "kerberos"[^\n]+\n$/);
  });

  test('says how a clone gets the library of Kerberos, which npm would not put into it', async () => {
    const args = ['--authenticate', 'negotiate', '--caller-principal', 'app@ACME.EXAMPLE', '--listen', 'unix:/run/token-broker/sock'];
    const { stdout } = await run(['init', '-c', file(), ...REQUIRED, ...args], { env: { npm_lifecycle_event: 'token-broker' } });
    const steps = stdout.split('\n');
    expect(steps).toContain(
      '  npm install --prefix tools/kerberos && export NODE_PATH="$PWD/tools/kerberos/node_modules"   # the Kerberos library',
    );
    expect(steps).toContain('  curl --negotiate --user : --unix-socket /run/token-broker/sock http://$(hostname -f)/');
  });

  test('names every place that has nothing yet, in commands that can be typed', async () => {
    const { stdout } = await init(...REQUIRED, '--secret-from', "file:it's/secret", '--redis-from', 'env:REDIS_URL', '--path', '/orders');
    const steps = stdout.split('\nNext:\n')[1]?.replaceAll(dirname(file()), 'HERE');
    expect(steps?.split('\n')).toEqual([
      `  (umask 077 && mkdir -p 'HERE/it'\\''s' && cat > 'HERE/it'\\''s/secret')   # paste the client secret, then Ctrl-D`,
      "  export REDIS_URL='…'   # such as rediss://redis.example.com:6379",
      '  export TOKEN_STORE_KEY="$(openssl rand -base64 32)"',
      '  token-broker check -c HERE/sidecar.config.json',
      '  token-broker dev -c HERE/sidecar.config.json   # until Ctrl-C; what follows is for another terminal',
      '  curl --user app http://127.0.0.1:8080/orders',
      '',
    ]);
  });

  test('says how a file of users is begun, and makes no password then', async () => {
    const { stdout } = await init(...REQUIRED, '--callers-file', 'users');
    expect(stdout).not.toContain('password of');
    const steps = stdout.replaceAll(dirname(file()), 'HERE');
    expect(steps).toContain('\n  (umask 077 && mkdir -p HERE && echo "app:$(token-broker hash-password)" > HERE/users)\n');
    expect(steps).toContain('\n  curl --user app http://127.0.0.1:8080/\n');
    expect(await written()).toContain('"callers": ["*"]');
  });

  test('says of JWTs what must be in them, and where one goes', async () => {
    const { code, stderr } = await init(...REQUIRED, '--authenticate', 'jwt', '--caller-issuer', 'idp');
    expect([code, stderr.split('\n')]).toEqual([
      1,
      [
        expect.stringContaining('--caller-issuer would not do: "callers.app.jwt.issuer" is no https URL'),
        '--caller-subject is missing: their "sub" ("*" stands for part of it)',
        '',
      ],
    ]);
    const own = ['--caller-issuer', 'https://idp.acme.example', '--caller-subject', 'app'];
    expect((await init(...REQUIRED, '--authenticate', 'jwt', ...own)).stdout).toContain(
      '\n  curl --header "Authorization: Bearer $TOKEN" http://127.0.0.1:8080/\n',
    );
  });

  test('makes a password, tells it once, and writes only its hash, for this user alone', async () => {
    const { stdout } = await init(...REQUIRED);
    const password = passwordIn(stdout);
    expect(stdout.split(password)).toHaveLength(2);
    const text = await written();
    const hash = parsePasswordHash(/"passwordHash": "(.+)"/.exec(text)?.[1] ?? '');
    expect(hash && (await verifyPassword(hash, password))).toBe(true);
    expect(text).not.toContain(password);
    expect((await stat(file())).mode & 0o777).toBe(0o600);
  });

  test('lists all that is missing at once, and writes nothing', async () => {
    expect(await init()).toEqual({
      code: 1,
      stdout: '',
      stderr:
        '--upstream is missing: URL of the API\n--issuer or --token-endpoint is missing: token endpoint\n--client-id is missing: client id\n',
    });
    expect(await readdir(dirname(file()))).toEqual([]);
  });

  test('lists all that is wrong at once in the words of "check", and quotes no secret', async () => {
    const first = ['--upstream', 'api.acme.example', '--path', 'orders', '--issuer', 'http://login.acme.example', '--client-id', 'a'];
    const second = ['--secret-from', 'canary-secret', '--authenticate', 'anonymous', '--listen', '0.0.0.0:80', '--caller', 'app'];
    const { code, stdout, stderr } = await init(...first, ...second, '--grant', 'magic');
    expect(stderr.split('\n')).toEqual([
      '--upstream would not do: "routes.api.upstream" is not a URL; write it in full, such as https://api.example.com/v1',
      expect.stringContaining('--path would not do: "routes.api.path" is not a path prefix; '),
      expect.stringContaining('--issuer would not do: "authorizationServers.api.issuer" is http to a host that is not loopback'),
      '--grant is none of the choices; use one of client_credentials, password',
      '--secret-from is not a place; write env:NAME or file:PATH, never the secret itself',
      '--caller has no use beside the other answers; leave it out',
      expect.stringContaining(
        '--listen would not do: "listeners.local.authenticate" accepts "anonymous" on an address that is not loopback',
      ),
      '',
    ]);
    expect([code, stdout]).toEqual([1, '']);
  });

  test('overwrites nothing, but with --force', async () => {
    await writeFile(file(), 'mine');
    const { code, stderr } = await init(...REQUIRED);
    expect([code, stderr]).toEqual([1, `"${file()}" is there already; name another with -c FILE, or overwrite it with --force\n`]);
    expect(await written()).toBe('mine');
    expect((await init(...REQUIRED, '--force')).code).toBe(0);
    expect(await written()).toContain('"orders-sidecar"');
    expect(await readdir(dirname(file()))).toEqual([basename(file())]);
  });

  test('says where it cannot write', async () => {
    const { code, stderr } = await run(['init', '-c', directory.path('no/such/folder'), ...REQUIRED]);
    expect([code, stderr]).toEqual([1, `"${directory.path('no/such/folder')}" cannot be written (ENOENT); name another with -c FILE\n`]);
  });

  test('writes a config that runs: the password opens the way to the API', async () => {
    const origin = await startScriptedServer({ answer: () => answerWith(200, [], 'ok') });
    const server = await startScriptedServer({
      answer: ({ target }) => (target === '/token' ? tokenAnswer() : metadataAnswer(server.url)),
    });
    const own = ['--upstream', `${origin.url}/v1`, '--issuer', server.url, '--listen', '127.0.0.1:0', '--client-id', 'me'];
    const { stdout } = await init(...own);
    const config = (await written()).replace('127.0.0.1:9099', '127.0.0.1:0');
    const broker = await spawnBroker({ config, env: { API_CLIENT_SECRET: 'given by the server' } });
    await broker.logged('ready');
    const { status } = await request(`${broker.url()}/42`, {
      fields: { authorization: `Basic ${Buffer.from(`app:${passwordIn(stdout)}`).toString('base64')}` },
    });
    expect([status, origin.requests[0]?.target, origin.requests[0]?.field('authorization')]).toEqual([
      200,
      '/v1/42',
      ['Bearer scripted-access-token'],
    ]);
    await Promise.all([broker.close(), origin.close(), server.close()]);
  });
});

describe('token-broker init --online', () => {
  let server: ScriptedServer;
  beforeAll(async () => {
    server = await startScriptedServer({
      answer: () =>
        metadataAnswer(server.url, { token_endpoint_auth_methods_supported: ['\u001b[31mnew', 'private_key_jwt', 'client_secret_post'] }),
    });
  });
  afterAll(() => server.close());
  const online = (issuer: string) => init('--online', '--upstream', 'https://api.acme.example', '--client-id', 'me', '--issuer', issuer);

  test('says what the server supports, and takes a way to authenticate from it', async () => {
    const { code, stderr } = await online(server.url);
    expect(stderr.split('\n')).toEqual([
      'the server says:',
      `  token endpoint: ${server.url}/token`,
      '  client authentication: \\u001b[31mnew, private_key_jwt, client_secret_post',
      '',
    ]);
    expect(await written()).toContain('"method": "client_secret_post"');
    expect(code).toBe(0);
  });

  test('says that the server cannot be asked, and writes nothing', async () => {
    const issuer = `http://127.0.0.1:${await freePort()}`;
    const { code, stderr } = await online(issuer);
    expect([code, stderr]).toEqual([
      1,
      '--issuer cannot be asked: nothing listens there; correct host and port, or start it (discovery_econnrefused); or leave out --online\n',
    ]);
    expect(await readdir(dirname(file()))).toEqual([]);
  });
});

describe('token-broker init on a terminal', () => {
  /** Types all of it ahead of the questions. */
  async function typed(keys: string, ...args: string[]) {
    const stdin = new Terminal();
    const [stdout, stderr] = [new PassThrough(), new PassThrough()];
    const exit = Promise.withResolvers<number>();
    stdin.write(keys);
    const command = initCommand({ stdin, stdout, stderr, env: {}, exit: exit.resolve });
    await command.parseAsync(['-c', file(), ...args], { from: 'user' });
    return { code: await exit.promise, shown: (stderr.read() as Buffer | null)?.toString() ?? '', modes: stdin.modes };
  }

  test('asks, says at once what is wrong and asks again, and takes what stands in brackets for nothing', async () => {
    const lines = [
      'api.acme.example',
      'https://api.acme.example/v1',
      '/orders',
      '',
      'https://sts.acme.example/token',
      '',
      'orders-sidecar',
    ];
    const { code, shown, modes } = await typed([...lines, '', 'canary-secret', '', 'orders.read', '', '', '', '', '', ''].join('\r'));
    expect(shown).toContain('that would not do: "routes.api.upstream" is not a URL; write it in full');
    expect(shown).toContain('Path under which your application calls it [/]: ');
    expect(shown).toContain('that is not a place; write env:NAME or file:PATH, never the secret itself');
    expect(await written()).toContain('"secret": { "fromEnv": "ORDERS_CLIENT_SECRET" }');
    expect([code, modes]).toEqual([0, [true, false]]);
  });

  test('asks only for what the flags leave open, and with --yes for nothing', async () => {
    const { code, shown } = await typed('', ...REQUIRED, '--yes');
    expect([code, shown]).toEqual([0, '']);
    const asked = await typed('\r'.repeat(10), ...REQUIRED, '--force');
    expect(asked.shown).not.toMatch(/URL of the API|Issuer|Client id/);
    expect(asked.code).toBe(0);
  });

  test.each([
    ['Ctrl-C', '\x03'],
    ['Ctrl-D', '\x04'],
  ])('writes nothing after %s, and gives the terminal back', async (_what, key) => {
    const { code, shown, modes } = await typed(`https://api.acme.example\r${key}`);
    expect([code, modes]).toEqual([1, [true, false]]);
    expect(shown).toMatch(/nothing was written\n$/);
    expect(await readdir(dirname(file()))).toEqual([]);
  });
});
