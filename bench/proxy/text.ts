/** Rows as text: figures with their ratios to a peer, for a terminal and for Markdown. */

import { median, spread } from '../statistics.ts';
import type { Row } from './lineup.ts';

/** Whose figures the others are divided by, the first that was measured. */
const REFERENCES = ['nginx', 'http-proxy-3'] as const;

/** `41.2 µs ±3% (1.52 × nginx, 0.31 × http-proxy-3)`; the reason where there is no figure; empty where it was not asked for. */
export function cell(row: Row, name: string): string {
  const figures = row.figures.get(name);
  if (figures === undefined) return '';
  if (typeof figures === 'string') return 'refused';
  const ratios = REFERENCES.filter((reference) => reference !== name).flatMap((reference) => {
    const ratio = ratioOf(row, name, reference);
    return ratio === undefined ? [] : [`${ratio.toFixed(2)} × ${reference}`];
  });
  return `${round(median(figures))} ${row.unit} ±${Math.round(spread(figures) * 50)}%${ratios.length === 0 ? '' : ` (${ratios.join(', ')})`}`;
}

/** Median by median; `undefined` where either is missing. */
export function ratioOf(row: Row, name: string, reference: string): number | undefined {
  const [own, others] = [row.figures.get(name), row.figures.get(reference)];
  return Array.isArray(own) && Array.isArray(others) ? median(own) / median(others) : undefined;
}

export function round(value: number): string {
  return value >= 100 ? String(Math.round(value)) : value.toPrecision(3);
}
