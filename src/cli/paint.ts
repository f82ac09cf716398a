/** Colours, where somebody looks and has not asked for none (no-color.org). */

import { styleText } from 'node:util';
import type { Io } from './io.ts';

export type Style = Parameters<typeof styleText>[0];

export type Paint = (style: Style, text: string) => string;

export function isColoured({ stdout, env }: Pick<Io, 'stdout' | 'env'>): boolean {
  return (stdout as NodeJS.WriteStream).isTTY === true && (env['NO_COLOR'] ?? '') === '';
}

export function createPaint(coloured: boolean): Paint {
  return (style, text) => (coloured ? styleText(style, text, { validateStream: false }) : text);
}
