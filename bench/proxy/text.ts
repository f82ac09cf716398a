/** Rows as text: figures with their ratios to a peer, for a terminal and for Markdown. */

import { median, spread } from '../statistics.ts';
import type { Row } from './lineup.ts';

const REFERENCES = ['nginx', 'http-proxy-3'] as const;

/** A line for each target: `41.2 µs ±3% (1.52 × nginx, 0.31 × http-proxy-3)`. */
export function lines(row: Row, names: readonly string[]): string[] {
  const measured = names.filter((name) => row.figures.has(name));
  return [row.name, ...measured.map((name) => `  ${name.padEnd(20)} ${figure(row, name)} ${ratios(row, name, REFERENCES)}`.trimEnd())];
}

/** Rows as a table of Markdown, a column for each target that any row has; ratios to nginx. */
export function table(rows: readonly Row[], names: readonly string[]): string {
  const columns = names.filter((name) => rows.some((row) => row.figures.has(name)));
  const head = ['', ...columns];
  const body = rows.map((row) => [row.name, ...columns.map((name) => `${figure(row, name)} ${ratios(row, name, ['nginx'])}`.trim())]);
  return markdownTable([head, ...body]);
}

export function markdownTable([head = [], ...body]: readonly (readonly string[])[]): string {
  return [head, head.map(() => '---'), ...body].map((cells) => `| ${cells.join(' | ')} |`).join('\n');
}

function figure(row: Row, name: string): string {
  const figures = row.figures.get(name);
  if (figures === undefined) return '';
  if (typeof figures === 'string') return 'refused';
  const around = figures.length < 2 ? '' : ` ±${Math.round(spread(figures) * 50)}%`;
  return `${round(median(figures))} ${row.unit}`.trim() + around;
}

function ratios(row: Row, name: string, references: readonly string[]): string {
  const own = row.figures.get(name);
  const found = references.flatMap((reference) => {
    const others = row.figures.get(reference);
    const both = Array.isArray(own) && Array.isArray(others) && reference !== name;
    return both ? [`${(median(own) / median(others)).toFixed(2)} × ${reference}`] : [];
  });
  return found.length === 0 ? '' : `(${found.join(', ')})`;
}

export function round(value: number): string {
  return value === 0 || Math.abs(value) >= 100 ? String(Math.round(value)) : value.toPrecision(3);
}
