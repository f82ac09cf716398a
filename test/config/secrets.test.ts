import { chmod, mkdir, symlink, writeFile } from 'node:fs/promises';
import { describe, expect, test } from '@jest/globals';
import { exposureFindings } from '../../src/config/load-secrets.ts';
import { formatProblem } from '../../src/config/problem.ts';
import { createAuthority } from '../helpers/certificates.ts';
import { bent, clientSecret, load, PASSWORD_HASH, said, useDirectory, verdict } from './fixture.ts';

const CANARY = 'canary-7f3a9c51e2';
const directory = useDirectory();
const file = () => directory.path('sidecar.config.json');
const SECRET_AT = 'tokens.orders.clientAuthentication.secret';

const withSecret = (secret: unknown) =>
  bent(({ tokens }) => {
    tokens.orders.clientAuthentication.secret = secret;
  });

const writeSecret = (name: string, content: string | Uint8Array, mode = 0o600) => writeFile(directory.path(name), content, { mode });

async function secretOf(secret: unknown): Promise<string> {
  return clientSecret(await load(file(), withSecret(secret), { env: { FROM_ENV: `${CANARY}\n` } })).reveal();
}

describe('secrets', () => {
  test('K03 come from the environment without the newline that Kubernetes brings there of a file', async () => {
    expect(await secretOf({ fromEnv: 'FROM_ENV' })).toBe(CANARY);
  });

  test.each([
    ['no newline', CANARY, CANARY],
    ['one newline', `${CANARY}\n`, CANARY],
    ['one newline as Windows writes it', `${CANARY}\r\n`, CANARY],
    ['two newlines, of which one is dropped', `${CANARY}\n\n`, `${CANARY}\n`],
    ['spaces, which are kept', ` ${CANARY} `, ` ${CANARY} `],
  ])('K03 come from a file with %s at its end', async (_what, content, expected) => {
    await writeSecret('secret', content);
    expect(await secretOf({ fromFile: 'secret' })).toBe(expected);
  });

  test('K03 are found beside the config, through symbolic links', async () => {
    await mkdir(directory.path('..data'));
    await writeSecret('..data/linked', CANARY);
    await symlink('..data/linked', directory.path('link'));
    expect(await secretOf({ fromFile: './link' })).toBe(CANARY);
  });

  test('K03 are read again on demand, whether or not anybody watches their file; an unusable file changes nothing', async () => {
    await writeSecret('fresh', 'before');
    const secret = clientSecret(await load(file(), withSecret({ fromFile: 'fresh' })));
    await writeSecret('fresh', 'after\n');
    expect([secret.reveal(), await secret.fresh(), secret.reveal()]).toEqual(['before', 'after', 'after']);
    await writeSecret('fresh', '');
    expect(await secret.fresh()).toBe('after');
    expect(await clientSecret(await load(file(), withSecret({ unsafeInline: 'inline' }))).fresh()).toBe('inline');
  });

  test('K03 may stand in the config, with a warning that does not show them', async () => {
    const { problems, warnings } = await verdict(file(), withSecret({ unsafeInline: CANARY }));
    expect(problems).toEqual([]);
    expect(said(warnings)).toEqual([
      `${SECRET_AT}.unsafeInline stands in the config itself, for all who can read it; use "fromEnv" or "fromFile"`,
    ]);
  });

  test.each([
    [0o600, undefined],
    [0o400, undefined],
    [0o640, '0640'],
    [0o644, '0644'],
    [0o602, '0602'],
  ])('K03 in a file of mode %o are warned about when others can touch it', async (mode, shown) => {
    await writeSecret('moded', CANARY);
    await chmod(directory.path('moded'), mode);
    const { problems, warnings } = await verdict(file(), withSecret({ fromFile: 'moded' }));
    expect(problems).toEqual([]);
    expect(said(warnings)).toEqual(
      shown === undefined ? [] : [`${SECRET_AT}.fromFile names a file that is open to other users (mode ${shown}); make it 0600 or 0400`],
    );
  });

  test('K03 in a volume of Kubernetes, where only a mode for all lets a user other than root read them, are not warned about', async () => {
    const written = '..2026_11_22_16_30_00.123456';
    await mkdir(directory.path(`volume/${written}`), { recursive: true });
    await writeSecret(`volume/${written}/secret`, CANARY);
    await chmod(directory.path(`volume/${written}/secret`), 0o444);
    await symlink(written, directory.path('volume/..data'));
    await symlink('..data/secret', directory.path('volume/secret'));
    expect(await verdict(file(), withSecret({ fromFile: 'volume/secret' }))).toEqual({ problems: [], warnings: [] });
  });

  test('K03 in a credential of systemd, which lets one user in by an access control list, are not warned about', async () => {
    const judged = (file: string, mode: number) => exposureFindings(['tokens'], file, mode);
    expect(await judged('/run/credentials/token-broker.service/orders-secret', 0o440)).toEqual([]);
    for (const mode of [0o444, 0o460]) expect(await judged('/run/credentials/token-broker.service/orders-secret', mode)).toHaveLength(1);
    expect(await judged('/run/secrets/orders-secret', 0o440)).toHaveLength(1);
  });

  test('K03 may be readable by all when they are no secrets', async () => {
    await writeSecret('hash', `${PASSWORD_HASH}\n`, 0o644);
    await chmod(directory.path('hash'), 0o644);
    const config = bent(({ callers }) => {
      callers.app.basic.passwordHash = [{ fromFile: 'hash' }, { unsafeInline: PASSWORD_HASH }];
    });
    expect(await verdict(file(), config)).toEqual({ problems: [], warnings: [] });
  });

  test('K03 that cannot be had are problems at their place, which show neither the name nor the content', async () => {
    await writeSecret(`${CANARY}-empty`, '');
    await writeSecret(`${CANARY}-newline`, '\r\n');
    await writeSecret(`${CANARY}-binary`, Uint8Array.of(0xff, 0xfe));
    await writeSecret(`${CANARY}-large`, CANARY.repeat(100_000));
    await mkdir(directory.path(`${CANARY}-directory`));
    const cases: [unknown, string][] = [
      [{ fromEnv: CANARY }, 'fromEnv names an environment variable that is not set; set it, or correct the name'],
      [{ fromEnv: `${CANARY}_EMPTY` }, 'fromEnv names an environment variable that is empty; give it a value'],
      [{ fromFile: CANARY }, 'fromFile names a file that does not exist; relative paths begin at the directory of the config'],
      [{ fromFile: `${CANARY}\0` }, 'fromFile names a file that cannot be read (ERR_INVALID_ARG_VALUE); mend it, or name another'],
      [{ fromFile: `${CANARY}-empty` }, 'fromFile names a file that is empty; mend it, or name another'],
      [{ fromFile: `${CANARY}-newline` }, 'fromFile names a file that is empty; mend it, or name another'],
      [{ fromFile: `${CANARY}-binary` }, 'fromFile names a file that is not UTF-8 text; mend it, or name another'],
      [{ fromFile: `${CANARY}-large` }, 'fromFile names a file that is larger than 1 MiB; mend it, or name another'],
      [{ fromFile: `${CANARY}-directory` }, 'fromFile names a file that is a directory; mend it, or name another'],
    ];
    for (const [secret, expected] of cases) {
      const { problems, warnings } = await verdict(file(), withSecret(secret), { env: { [`${CANARY}_EMPTY`]: '' } });
      expect(said(problems)).toEqual([`${SECRET_AT}.${expected}`]);
      expect([...problems, ...warnings].map(formatProblem).join()).not.toContain(CANARY);
    }
  });

  test.each([
    [
      'a plain string',
      CANARY,
      `${SECRET_AT} is not a reference; write { "fromEnv": "NAME" }, { "fromFile": "path" } or, for a demo, { "unsafeInline": "…" }`,
    ],
    [
      'two references',
      { fromEnv: CANARY, unsafeInline: CANARY },
      `${SECRET_AT} must have exactly one of "fromEnv", "fromFile", "unsafeInline"`,
    ],
    ['an empty string', { unsafeInline: '' }, `${SECRET_AT}.unsafeInline is empty; give the value`],
    ['a list', { unsafeInline: [CANARY] }, `${SECRET_AT}.unsafeInline must be a string`],
  ])('K03 are refused as %s, and not shown', async (_what, secret, expected) => {
    expect(said((await verdict(file(), withSecret(secret))).problems)).toEqual([expected]);
  });

  test('point at the one of a list that is wrong', async () => {
    const list = (passwordHash: unknown) =>
      bent(({ callers }) => {
        callers.app.basic.passwordHash = passwordHash;
      });
    const wrong = 'is not a password hash that can be used; give what "token-broker hash-password" prints (argon2id or scrypt), or bcrypt';
    expect(said((await verdict(file(), list([PASSWORD_HASH, CANARY]))).problems)).toEqual([`callers.app.basic.passwordHash[1] ${wrong}`]);
    expect(said((await verdict(file(), list(CANARY))).problems)).toEqual([`callers.app.basic.passwordHash ${wrong}`]);
    expect(said((await verdict(file(), list({ fromEnv: 'HASH' }), { env: { HASH: CANARY, CLIENT_SECRET: 'x' } })).problems)).toEqual([
      `callers.app.basic.passwordHash.fromEnv names an environment variable whose value ${wrong}`,
    ]);
  });
});

describe('TLS material', () => {
  const withTls = (tls: unknown) =>
    bent(({ listeners }) => {
      listeners.local.tls = tls;
    });

  test('is taken when certificate, key, authority and revocation list are what they should be', async () => {
    const authority = await createAuthority();
    const server = await authority.issueServer();
    await writeSecret('server.key', server.key);
    const tls = {
      cert: server.cert,
      key: { fromFile: 'server.key' },
      clientCa: authority.certificate,
      crl: await authority.revocationList([]),
    };
    expect(await verdict(file(), withTls(tls))).toEqual({ problems: [], warnings: [] });
  });

  test('is refused when the key belongs to another certificate', async () => {
    const authority = await createAuthority();
    const [one, two] = [await authority.issueServer(), await authority.issueServer()];
    const { problems } = await verdict(file(), withTls({ cert: one.cert, key: { unsafeInline: two.key } }));
    expect(said(problems)).toEqual([
      'listeners.local.tls.key does not belong to the certificate in "cert"; give the key it was issued for',
    ]);
  });

  test('is refused when no handshake could use it', async () => {
    const weak = await (await createAuthority()).issueServer({ key: 'rsa-1024' });
    const { problems } = await verdict(file(), withTls({ cert: weak.cert, key: { unsafeInline: weak.key } }));
    expect(said(problems)).toEqual([
      'listeners.local.tls.key is too weak for TLS, or its certificate is; use RSA of 2048 bits or more, or P-256, and SHA-256',
    ]);
  });

  test('is refused when a file holds something else, without showing it', async () => {
    const server = await (await createAuthority()).issueServer();
    const broken = `-----BEGIN CERTIFICATE-----\n${CANARY.replaceAll('-', '')}AA==\n-----END CERTIFICATE-----\n`;
    const encrypted = `-----BEGIN ENCRYPTED PRIVATE KEY-----\n${CANARY}\n-----END ENCRYPTED PRIVATE KEY-----\n`;
    const cases: [object, string][] = [
      [{ cert: CANARY }, 'cert holds no certificate; give PEM text with "BEGIN CERTIFICATE"'],
      [{ cert: 'tls/server.crt' }, 'cert holds no certificate; give PEM text with "BEGIN CERTIFICATE", or { "fromFile": "path" }'],
      [{ cert: server.key }, 'cert holds no certificate; give PEM text with "BEGIN CERTIFICATE"'],
      [{ cert: `${server.cert}${broken}` }, 'cert holds a certificate that cannot be read (number 2); write it again'],
      [{ clientCa: broken }, 'clientCa holds a certificate that cannot be read (number 1); write it again'],
      [{ crl: server.cert }, 'crl holds no revocation list; give PEM text with "BEGIN X509 CRL"'],
      [{ crl: broken.replaceAll('CERTIFICATE', 'X509 CRL') }, 'crl holds a revocation list that cannot be read (number 1); write it again'],
      [{ key: { unsafeInline: server.cert } }, 'key holds no private key; give PEM text with "BEGIN PRIVATE KEY"'],
      [{ key: { unsafeInline: encrypted } }, 'key holds an encrypted private key; decrypt it, and let the mode of its file protect it'],
      [{ key: { unsafeInline: encrypted.replaceAll('ENCRYPTED ', '') } }, 'key holds a private key that cannot be read; write it again'],
    ];
    for (const [change, expected] of cases) {
      const { problems } = await verdict(file(), withTls({ cert: server.cert, key: { unsafeInline: server.key }, ...change }));
      expect(said(problems)).toEqual([`listeners.local.tls.${expected}`]);
    }
  });

  test('of an upstream needs certificate and key together', async () => {
    const server = await (await createAuthority()).issueServer();
    const config = bent(({ routes }) => {
      routes.orders.upstreamTls = { cert: server.cert };
    });
    expect(said((await verdict(file(), config)).problems)).toEqual(['routes.orders.upstreamTls needs "cert" and "key" together']);
  });
});

describe('field values', () => {
  test('are checked wherever they come from', async () => {
    const config = bent(({ routes, tokens }) => {
      routes.orders.headers = { 'X-Key': { fromEnv: 'KEY' }, 'X-Plain': `${CANARY}\r\nX-Evil: 1`, cert: 'one', key: 'two' };
      tokens.orders.headers = { 'X-Tenant': ' acme' };
    });
    const { problems } = await verdict(file(), config, { env: { KEY: `${CANARY}\nX-Evil: 1`, CLIENT_SECRET: 'x' } });
    const wrong = 'is not a field value; remove line breaks, control characters, and spaces at its ends';
    expect(said(problems)).toEqual([
      `tokens.orders.headers.X-Tenant ${wrong}`,
      `routes.orders.headers.X-Key.fromEnv names an environment variable whose value ${wrong}`,
      `routes.orders.headers.X-Plain ${wrong}`,
    ]);
  });
});
