/** The table of docs/token-endpoint.md says what the code does, and its example does what it says. */

import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { expect, test } from '@jest/globals';
import { projectRoot } from '../../scripts/find-tool.mjs';
import { BrokerError, ERROR_KINDS, type ErrorCode } from '../../src/errors.ts';
import { toOAuthError } from '../../src/service/token-endpoint/answers.ts';
import { startTokenEndpoint } from '../helpers/token-endpoint.ts';
import { blocks, read } from './markdown.ts';

const rows = [...read('docs/token-endpoint.md').matchAll(/^\| (`.+?`) \| `([A-Z_]+)` \| (\d{3})/gm)].map(
  ([, errors = '', code, status]) => ({
    errors: [...errors.matchAll(/`(\w+)`/g)].map(([, error]) => error),
    code: code as ErrorCode,
    status: Number(status),
  }),
);

test('docs/token-endpoint.md lists every code that a token endpoint can answer with', () => {
  const codes = Object.keys(ERROR_KINDS).filter((code) => !code.startsWith('UPSTREAM_'));
  expect(rows.map(({ code }) => code)).toEqual(codes);
});

test('its example with a client library gets a token', async () => {
  const scene = await startTokenEndpoint();
  const [example] = blocks('docs/token-endpoint.md', ['js']);
  const code = example?.text.replaceAll('http://127.0.0.1:8090', scene.url()).replace("'warehouse'", "'billing'");
  const { stdout } = await promisify(execFile)(
    process.execPath,
    ['--input-type=module', '--eval', `${code}\nconsole.log(access_token, expires_in > 0);`],
    { cwd: projectRoot, env: { ...process.env, WAREHOUSE_PASSWORD: 'secret' } },
  );
  expect(stdout).toBe('scripted-access-token true\n');
  await scene.close();
});

test.each(rows)('says of $code what it is called and which status it has', ({ errors, code, status }) => {
  const { body } = toOAuthError(new BrokerError(code, 'a "name" with \\ and é', { stage: 'broker' }), 'id');
  expect(JSON.parse(body.toString())).toEqual({ error: errors[0], error_description: "a 'name' with ? and ?", code, requestId: 'id' });
  // The one that has another status here is in docs/errors.md.
  if (code !== 'CALLER_FORBIDDEN') expect(ERROR_KINDS[code].status).toBe(status);
});
