/** docs/ext-authz.md and examples/ext-authz/ speak of each dialect, in its own words. */

import { spawnSync } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, test } from '@jest/globals';
import { projectRoot } from '../../scripts/find-tool.mjs';
import { DIALECTS } from '../../src/config/schema/listeners.ts';
import { dialectFields } from '../../src/listener/dialect.ts';
import { describeInstalled, programOf } from '../helpers/proxy-program.ts';
import { blocks, read } from './markdown.ts';

const page = read('docs/ext-authz.md');
const folder = join(projectRoot, 'examples/ext-authz');
const files = readdirSync(folder);

describe.each(DIALECTS)('%s', (dialect) => {
  test('has its fields in the table of the page, and a section', () => {
    const row = page.split('\n').find((line) => line.startsWith('| `') && line.split('|')[1]?.includes(`\`${dialect}\``));
    const named = new Set(row?.match(/`X-[A-Za-z-]+`/g)?.map((name) => name.slice(1, -1)));
    expect(named).toEqual(new Set(dialectFields(dialect)));
    expect(page).toMatch(new RegExp(`^## ${dialect}$`, 'im'));
  });

  test('has an example that says which listener it needs, and to which the page leads', () => {
    const texts = files.map((file) => [file, readFileSync(join(folder, file), 'utf8')] as const);
    const own = texts.filter(([, text]) => text.includes(`"serve": "ext-authz", "dialect": "${dialect}"`)).map(([file]) => file);
    expect(own).toHaveLength(1);
    expect(page).toContain(`](../examples/ext-authz/${own[0]})`);
  });
});

describeInstalled('nginx')('the lines for nginx', () => {
  test('are a config that it takes', () => {
    const place = mkdtempSync(join(tmpdir(), 'token-broker-docs-'));
    const [example] = blocks('docs/ext-authz.md', ['nginx']);
    // nginx wants to resolve each name when it starts.
    const lines = example?.text.replace('https://api.acme.example', 'https://127.0.0.1');
    writeFileSync(join(place, 'nginx.conf'), `events {}\nhttp { server { listen 127.0.0.1:8000;\n${lines}}}\n`);
    const options = ['-t', '-q', '-p', place, '-e', 'stderr', '-c', 'nginx.conf', '-g', `pid ${place}/pid;`];
    const { status, stderr } = spawnSync(programOf('nginx') ?? '', options, { encoding: 'utf8' });
    expect([status, stderr]).toEqual([0, '']);
    rmSync(place, { recursive: true });
  });
});
