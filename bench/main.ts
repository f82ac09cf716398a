/** `npm run bench`: the parts asked for, all by default; `--help` tells the options. */

import { parseArgs } from 'node:util';
import { benchProxy } from './proxy/proxy.ts';
import { benchTokens } from './tokens.ts';

const HELP = `npm run bench -- [tokens] [proxy] [options]

  --quick            proxy: about a minute instead of some ten
  --targets a,b      proxy: only these: broker, nginx, http-proxy-3
  --seconds N        tokens: how long the steady load lasts (60)
`;

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    quick: { type: 'boolean', default: false },
    targets: { type: 'string' },
    seconds: { type: 'string', default: '60' },
    help: { type: 'boolean', default: false },
  },
});

const say = (line: string) => void process.stdout.write(`${line}\n`);
const parts = positionals.length === 0 ? ['tokens', 'proxy'] : positionals;
const unknown = parts.find((part) => part !== 'tokens' && part !== 'proxy');

if (values.help || unknown !== undefined) {
  say(unknown === undefined ? HELP : `"${unknown}" is no part of the benchmarks: say "tokens" or "proxy"\n\n${HELP}`);
  process.exitCode = unknown === undefined ? 0 : 2;
} else {
  if (parts.includes('tokens') && !(await benchTokens(Number(values.seconds), say))) process.exitCode = 1;
  if (parts.includes('proxy')) {
    const targets = values.targets?.split(',');
    await benchProxy({ quick: values.quick, say, ...(targets && { targets }) });
  }
}
