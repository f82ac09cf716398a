import { expect, test } from '@jest/globals';
import { read } from './markdown.ts';

test('docs/security.md lists every unsafe option of the config, and none that is not there', () => {
  const keys = [...read('docs/configuration.md').matchAll(/^### (.+\.unsafe\w+)$/gm)].map(([, key]) => key);
  const listed = [...read('docs/security.md').matchAll(/^\| `([\w.]*unsafe\w+)` \|/gm)].map(([, key]) => key);
  expect(keys.length).toBeGreaterThan(3);
  expect(listed.sort()).toEqual([...keys, 'unsafeInline'].sort());
});
