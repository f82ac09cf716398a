/** `npm run build`: the command as one file, which needs nothing but Node and, for the demo, a package it loads when asked. */

import { chmod } from 'node:fs/promises';
import { isBuiltin } from 'node:module';
import { fileURLToPath } from 'node:url';
import { defineConfig, type Plugin, rolldown } from 'rolldown';
import packageJson from './package.json' with { type: 'json' };
import { thirdPartyLicenses } from './scripts/third-party-licenses.ts';
import { V8_OPTIONS } from './scripts/v8-options.mjs';

const OUTPUT = 'dist/token-broker.js';

/** Modules that are in the bundle without being its own: told to whoever lists licenses. */
const inside = new Set<string>();

export default defineConfig({
  input: 'src/cli/main.ts',
  platform: 'node',
  // Only `dev` needs it, it is large, and those who install the bundle do not have it.
  external: ['oidc-provider'],
  resolve: {
    // Its main file is UMD and finds none of its own parts once bundled.
    alias: { 'jsonc-parser': fileURLToPath(new URL('node_modules/jsonc-parser/lib/esm/main.js', import.meta.url)) },
  },
  plugins: [
    pageInside(),
    threadInside(),
    standsAlone(),
    plainAscii(),
    executable(),
    thirdPartyLicenses('THIRD-PARTY-LICENSES.txt', inside),
  ],
  output: {
    file: OUTPUT,
    format: 'esm',
    codeSplitting: false,
    intro: refusalOfOlderNode(packageJson.engines.node),
    // Readable: stack traces of users name functions, and auditors can read what runs.
    minify: false,
  },
});

/** Says on one line what an older Node would tell by a stack trace; it runs before all else, but imports must exist there, too. */
function refusalOfOlderNode(range: string): string {
  const oldest = /^>=(\d+)$/.exec(range)?.[1];
  if (oldest === undefined) throw new Error(`"engines.node" is ">=N" in package.json, not "${range}"`);
  const words = `token-broker needs Node ${oldest} or later, and this is `;
  return `if (Number.parseInt(process.versions.node) < ${oldest}) {
  process.stderr.write(${JSON.stringify(words)} + process.versions.node + "; put another first on the PATH\\n");
  process.exit(2);
}`;
}

/** The files of the status page become texts of the bundle. */
function pageInside(): Plugin {
  const sources = fileURLToPath(new URL('src/admin/status-page/sources.ts', import.meta.url));
  return {
    name: 'page-inside',
    async load(id) {
      if (id !== sources) return null;
      const texts = Object.entries((await import(sources)) as Record<string, string>);
      return { code: texts.map(([name, text]) => `export const ${name} = ${JSON.stringify(text)};\n`).join(''), moduleType: 'js' };
    },
  };
}

/** The program of the thread for bcrypt, as a URL that is the program itself: the bundle is one file. */
function threadInside(): Plugin {
  return {
    name: 'thread-inside',
    async load(id) {
      if (!id.endsWith('/src/bcrypt/worker-url.ts')) return null;
      const program = await rolldown({ input: id.replace('worker-url', 'worker'), platform: 'node' });
      const { output } = await program.generate({ format: 'esm', codeSplitting: false });
      await program.close();
      for (const module of output[0].moduleIds) inside.add(module);
      const url = `data:text/javascript,${encodeURIComponent(output[0].code)}`;
      return `export const WORKER_URL = new URL(${JSON.stringify(url)});`;
    },
  };
}

/** Fails the build when the bundle would not start without node_modules. */
function standsAlone(): Plugin {
  return {
    name: 'stands-alone',
    generateBundle(_options, bundle) {
      for (const part of Object.values(bundle)) {
        const missing = part.type === 'chunk' ? part.imports.filter((name) => !isBuiltin(name)) : [];
        if (missing.length > 0)
          this.error(`the bundle imports ${missing.join(', ')}: bundle it, or load it by "await import()" where it is used`);
      }
    },
  };
}

/** V8 keeps a source that has one character beyond Latin-1 in two bytes for each of its millions. */
function plainAscii(): Plugin {
  const escaped = (unit: string) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`;
  return { name: 'plain-ascii', renderChunk: (code) => code.replace(/[^\0-\x7f]/g, escaped) };
}

function executable(): Plugin {
  return {
    name: 'executable',
    renderChunk: (code) => code.replace(/^(?:#!.*\n)?/, `#!/usr/bin/env -S node ${V8_OPTIONS.join(' ')}\n`),
    writeBundle: () => chmod(OUTPUT, 0o755),
  };
}
