/** Writes the licenses of all that is in the bundle beside it, as most of them demand. */

import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Plugin } from 'rolldown';

/** @param inside modules that are in it as text, known once everything is loaded */
export function thirdPartyLicenses(fileName: string, inside: ReadonlySet<string>): Plugin {
  return {
    name: 'third-party-licenses',
    generateBundle(_options, bundle) {
      const modules = Object.values(bundle).flatMap((part) => (part.type === 'chunk' ? part.moduleIds : []));
      const folders = new Set([...modules, ...inside].map(packageFolder).filter((folder) => folder !== undefined));
      this.emitFile({ type: 'asset', fileName, source: [...folders].sort().map(licenseOf).join('\n') });
    },
  };
}

function packageFolder(moduleId: string): string | undefined {
  return /^.*\/node_modules\/(?:@[^/]+\/)?[^/]+/.exec(moduleId)?.[0];
}

function licenseOf(folder: string): string {
  const { name, version, license } = JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8'));
  const file = readdirSync(folder).find((entry) => /^licen[cs]e/i.test(entry));
  if (file === undefined && license === undefined) throw new Error(`"${name}" names no license: it may not be in the bundle`);
  const text = file === undefined ? '' : readFileSync(join(folder, file), 'utf8').trim();
  return `== ${name} ${version} (${license})\n\n${text}\n`;
}
