/** The project's Markdown: which files there are, what is quoted in them, where they lead. */

import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { projectRoot } from '../../scripts/find-tool.mjs';

/** Every page at the root, in docs/, and beside the chart; paths from the root. */
export const pages: readonly string[] = [
  ...readdirSync(projectRoot).filter(isPage),
  ...readdirSync(join(projectRoot, 'docs'), { recursive: true, encoding: 'utf8' })
    .filter(isPage)
    .map((file) => `docs/${file}`),
  'charts/token-broker/README.md',
];

function isPage(file: string): boolean {
  return file.endsWith('.md');
}

export function read(page: string): string {
  return readFileSync(join(projectRoot, page), 'utf8');
}

interface Block {
  readonly page: string;
  /** Of its first line, from 1. */
  readonly line: number;
  readonly text: string;
}

/** The fenced blocks of a page in one of the languages, without the indentation of their fence. */
export function blocks(page: string, languages: readonly string[]): Block[] {
  const text = read(page);
  return [...text.matchAll(/^( *)```(\S+)\n([\s\S]*?)^\1```$/gm)]
    .filter(([, , language = '']) => languages.includes(language))
    .map((found) => ({
      page,
      line: text.slice(0, found.index).split('\n').length + 1,
      text: (found[3] ?? '').replace(new RegExp(`^${found[1]}`, 'gm'), ''),
    }));
}

/** Where the links of a page lead, but those to other sites. */
export function links(page: string): string[] {
  const prose = read(page).replace(/^( *)```[\s\S]*?^\1```$/gm, '');
  return [...prose.matchAll(/\]\(([^()\s]+)\)/g)].map(([, target]) => target as string).filter((target) => !/^[a-z]+:/.test(target));
}

/** The anchors that a page's headings give, as forges make them. */
export function anchors(page: string): string[] {
  const headings = read(page).matchAll(/^#{1,6} (.+)$/gm);
  return [...headings].map(([, heading = '']) =>
    heading
      .toLowerCase()
      .replace(/[^\p{L}\p{N}_ -]/gu, '')
      .replaceAll(' ', '-'),
  );
}
