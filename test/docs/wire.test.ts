/** The example of docs/wire.md, "A caller of HTTP/2", is what the config takes. */

import { readFileSync } from 'node:fs';
import { expect, test } from '@jest/globals';
import { parse } from 'jsonc-parser';
import { listener } from '../../src/config/schema/listeners.ts';
import { route } from '../../src/config/schema/routes.ts';

const page = readFileSync(new URL('../../docs/wire.md', import.meta.url), 'utf8');

test('docs/wire.md has an example of callers of HTTP/2, and of gRPC', () => {
  const section = page.slice(page.indexOf('\n## A caller of HTTP/2'));
  const text = /```jsonc\n([\s\S]*?)```/.exec(section)?.[1];
  const { listeners, routes } = parse(`{ ${text} }`) as Record<'listeners' | 'routes', Record<string, unknown>>;
  const protocols = Object.values(listeners).map((each) => listener.parse(each).protocols);
  expect(protocols).toEqual([
    ['http/1.1', 'h2c'],
    ['http/1.1', 'h2'],
  ]);
  expect(route.parse(routes['stock'])).toMatchObject({ upstreamProtocol: 'h2' });
});
