/** Tables for people at a terminal: columns as wide as they must be, under headings. */

import type { Paint, Style } from './paint.ts';

/** A text, or one that stands out. */
export type Cell = string | { readonly style: Style; readonly text: string };

export interface Table {
  readonly headings: readonly string[];
  readonly rows: readonly (readonly Cell[])[];
}

const GAP = '  ';

/** One line for the headings and one for each row; none at all where there is no row. */
export function formatTable({ headings, rows }: Table, paint: Paint): string[] {
  if (rows.length === 0) return [];
  const lines = [headings.map((text): Cell => ({ style: 'gray', text })), ...rows];
  const widths = headings.map((_, column) => Math.max(...lines.map((cells) => textOf(cells[column]).length)));
  return lines.map((cells) => formatLine(cells, widths, paint));
}

function formatLine(cells: readonly Cell[], widths: readonly number[], paint: Paint): string {
  const last = cells.findLastIndex((cell) => textOf(cell) !== '');
  const shown = cells.slice(0, last + 1).map((cell, column) => {
    const text = textOf(cell);
    const padding = column === last ? '' : ' '.repeat((widths[column] ?? 0) - text.length);
    return (typeof cell === 'string' ? text : paint(cell.style, text)) + padding;
  });
  return shown.join(GAP);
}

/** Nothing that would move the cursor: whoever answers at an address may be anybody. */
function textOf(cell: Cell = ''): string {
  return (typeof cell === 'string' ? cell : cell.text).replace(/\p{Cc}/gu, '');
}
