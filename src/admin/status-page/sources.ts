/** The parts of the page, as they stand beside this file. The bundle has them inside: see rolldown.config.ts. */

import { readFileSync } from 'node:fs';

const read = (name: string) => readFileSync(new URL(name, import.meta.url), 'utf8');

export const html = read('page.html');
export const style = read('colours.css') + read('style.css');
export const script = read('script.js');
