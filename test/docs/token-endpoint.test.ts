/** The table of docs/token-endpoint.md says what the code does. */

import { expect, test } from '@jest/globals';
import { BrokerError, ERROR_KINDS, type ErrorCode } from '../../src/errors.ts';
import { toOAuthError } from '../../src/token-endpoint/answers.ts';
import { read } from './markdown.ts';

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

test.each(rows)('says of $code what it is called and which status it has', ({ errors, code, status }) => {
  const { body } = toOAuthError(new BrokerError(code, 'a "name" with \\ and é', { stage: 'broker' }), 'id');
  expect(JSON.parse(body.toString())).toEqual({ error: errors[0], error_description: "a 'name' with ? and ?", code, requestId: 'id' });
  // The one that has another status here is in docs/errors.md.
  if (code !== 'CALLER_FORBIDDEN') expect(ERROR_KINDS[code].status).toBe(status);
});
