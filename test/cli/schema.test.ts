import { readFile } from 'node:fs/promises';
import { describe, expect, test } from '@jest/globals';
import { run } from './run.ts';

describe('token-broker schema', () => {
  test('prints the JSON Schema that is checked in', async () => {
    const { code, stdout, stderr } = await run(['schema']);
    expect(stdout).toBe(await readFile(new URL('../../sidecar.schema.json', import.meta.url), 'utf8'));
    expect(JSON.parse(stdout)).toMatchObject({
      $schema: 'http://json-schema.org/draft-07/schema#',
      type: 'object',
      required: ['listeners'],
    });
    expect([code, stderr]).toEqual([0, '']);
  });

  test('has an example in its help', async () => {
    expect((await run(['schema', '--help'])).stdout).toContain('Example:\n  token-broker schema > ');
  });
});
