import { existsSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { describe, expect, test } from '@jest/globals';
import { projectRoot } from '../../scripts/find-tool.mjs';
import { anchors, links, pages } from './markdown.ts';

describe('links between the pages', () => {
  test('are found by this test', () => {
    expect(pages).toContain('docs/architecture.md');
    expect(links('docs/architecture.md')).toContain('errors.md');
  });

  test.each(pages)('of %s lead to files that exist, and to headings that these have', (page) => {
    const broken = links(page).filter((link) => {
      const [path = '', anchor] = link.split('#');
      const target = path === '' ? page : join(dirname(page), path);
      if (!existsSync(join(projectRoot, target))) return true;
      return anchor !== undefined && !anchors(target).includes(anchor);
    });
    expect(broken).toEqual([]);
  });

  test('reach every decision from the list of decisions', () => {
    const decisions = pages.filter((page) => /^docs\/adr\/\d/.test(page)).map((page) => page.slice('docs/adr/'.length));
    expect(links('docs/adr/README.md').sort()).toEqual(decisions.sort());
  });
});
