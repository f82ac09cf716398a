/** docs/monitoring.md lists the metrics, log lines and log fields that there are. */

import { readdirSync, readFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { type Scene, startScene } from '../helpers/broker.ts';
import { request } from '../helpers/http-client.ts';
import { answerWith, tokenAnswer } from '../helpers/scripted-answers.ts';

const page = readFileSync(new URL('../../docs/monitoring.md', import.meta.url), 'utf8');
const source = new URL('../../src/', import.meta.url);

/** The cells of the table whose first column has that heading. */
function table(heading: string): string[][] {
  const lines = page.split('\n');
  const rows = lines.slice(lines.findIndex((line) => line.startsWith(`| ${heading} |`)) + 2);
  return rows
    .slice(
      0,
      rows.findIndex((line) => !line.startsWith('|')),
    )
    .map((line) => line.slice(2, -2).split(/ +\| /));
}

const quoted = (cell = '') => [...cell.matchAll(/`([^`]+)`/g)].map(([, text]) => text as string);

/** Every message that is logged, but those that only `dev` has. */
function messagesInSource(): string[] {
  const files = readdirSync(source, { recursive: true, encoding: 'utf8' }).filter((file) => file.endsWith('.ts') && file !== 'cli/dev.ts');
  return files.flatMap((file) => {
    const calls = readFileSync(new URL(file, source), 'utf8').matchAll(
      /\blog(?:\.(?:debug|info|warn|error|fatal)|\[[^\]]+\])\(([\s\S]*?)\);/g,
    );
    return [...calls].map(([, parts = '']) => /'([^']+)'\s*,?\s*$/.exec(parts)?.[1] ?? `no message: ${file}: ${parts}`);
  });
}

describe('docs/monitoring.md', () => {
  let scene: Scene;
  beforeAll(async () => {
    let refuse = false;
    scene = await startScene({
      origin: () => answerWith(200, [], 'ok'),
      token: () => (refuse ? answerWith(503, []) : tokenAnswer({ expires_in: 1 })),
    });
    await request(`${scene.url()}/api/x`);
    await request(`${scene.url()}/nowhere`);
    refuse = true;
    while ((await request(`${scene.url()}/api/x`)).status === 200) await new Promise((resolve) => setTimeout(resolve, 100));
    await scene.broker.drain();
  });
  afterAll(() => scene.close());

  test('lists every log message, and none that is not there', () => {
    expect(
      table('`msg`')
        .flatMap(([cell]) => quoted(cell))
        .sort(),
    ).toEqual([...new Set(messagesInSource())].sort());
  });

  test('lists every field of the lines of a whole life', () => {
    const listed = new Set(table('field').flatMap(([cell]) => quoted(cell)));
    expect(scene.log.flatMap((line) => Object.keys(line)).filter((field) => !listed.has(field))).toEqual([]);
    expect(new Set(scene.log.map((line) => line['msg'])).size).toBeGreaterThan(7);
  });

  test('gives the lines of that life their level', () => {
    const levels = new Map(table('`msg`').map(([message, level = '']) => [quoted(message)[0], level.split(', ')]));
    for (const { msg, level } of scene.log) expect(levels.get(msg as string)).toContain(level);
  });
});

describe('the metrics of docs/monitoring.md', () => {
  let text = '';
  beforeAll(async () => {
    const scene = await startScene();
    await request(`${scene.url()}/api/x`);
    text = await scene.metrics();
    await scene.close();
  });

  test('are those there are, with their types', () => {
    const shown = [...text.matchAll(/^# TYPE token_broker_(\w+) (\w+)$/gm)].map(([, name, type]) => `${name} ${type}`);
    expect(table('name').map(([name, type]) => `${quoted(name)[0]} ${type}`)).toEqual(shown);
  });

  test('have the labels that a series has', () => {
    const labels = new Map(table('name').map(([name, , cell]) => [quoted(name)[0], quoted(cell)]));
    const series = [...text.matchAll(/^token_broker_(\w+?)(?:_bucket|_sum|_count)?(?:\{(.*)\})? /gm)];
    expect(series.length).toBeGreaterThan(10);
    for (const [, name, shown = ''] of series) {
      const names = [...shown.matchAll(/(\w+)="/g)].map(([, label]) => label).filter((label) => label !== 'le');
      expect({ name, labels: names.sort() }).toEqual({ name, labels: [...(labels.get(name) ?? ['not listed'])].sort() });
    }
  });
});
