/** The sections of docs/tokens.md whose examples are parts of a config: each is one that the config takes. */

import { describe, expect, test } from '@jest/globals';
import { parse } from 'jsonc-parser';
import { parseConfig } from '../../src/config/parse.ts';
import { blocks } from './markdown.ts';

const LISTENERS = { local: { address: '127.0.0.1:0', authenticate: ['anonymous'] } };
const examples = blocks('docs/tokens.md', ['jsonc']).filter(({ text }) => /^"(?:authorizationServers|tokens|routes)": /.test(text));

describe('docs/tokens.md, parts of a config', () => {
  test('are found by this test', () => {
    expect(examples.some(({ text }) => text.includes('"revokeOnShutdown"'))).toBe(true);
  });

  test.each(examples)('line $line', ({ text }) => {
    const part = parse(`{ ${text} }`, [], { allowTrailingComma: true }) as Record<string, unknown>;
    expect(parseConfig({ listeners: LISTENERS, ...part }).findings).toEqual([]);
  });
});
