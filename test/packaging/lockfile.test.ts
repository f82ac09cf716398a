import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from '@jest/globals';
import { projectRoot } from '../../scripts/find-tool.mjs';

const read = (file: string) => readFileSync(join(projectRoot, file), 'utf8');

describe.each(['.', 'tools/helm', 'tools/kerberos', 'bench'])('the packages of %s', (folder) => {
  const manifest = JSON.parse(read(`${folder}/package.json`));
  const lock = JSON.parse(read(`${folder}/package-lock.json`));

  test('are wanted in exact versions', () => {
    const wanted = Object.values({ ...manifest.dependencies, ...manifest.devDependencies, ...manifest.optionalDependencies });
    for (const version of wanted) expect(version).toMatch(/^\d+\.\d+\.\d+$/);
  });

  test('are locked as they are wanted, with a hash, and from no registry in particular', () => {
    const { dependencies, devDependencies, optionalDependencies } = lock.packages[''];
    expect({ dependencies, devDependencies, optionalDependencies }).toEqual({
      dependencies: manifest.dependencies,
      devDependencies: manifest.devDependencies,
      optionalDependencies: manifest.optionalDependencies,
    });
    const { '': _self, ...packages } = lock.packages;
    for (const entry of Object.values<Record<string, unknown>>(packages)) {
      if (entry['inBundle'] !== true) expect(entry['integrity']).toMatch(/^sha512-/);
      expect(entry).not.toHaveProperty('resolved');
    }
  });

  // npm 12 runs no others, and fails for none that it leaves out.
  test('say of each install script whether it may run', () => {
    const entries = Object.entries<Record<string, unknown>>(lock.packages);
    const names = entries.filter(([, entry]) => entry['hasInstallScript'] === true).map(([path]) => path.replace(/^.*node_modules\//, ''));
    expect(Object.keys(manifest.allowScripts ?? {})).toEqual(expect.arrayContaining(names));
  });
});
