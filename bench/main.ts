/** `npm run bench`: the parts asked for, all by default; `--help` tells the options. */

import { parseArgs } from 'node:util';
import { benchFleet } from './fleet/fleet.ts';
import { TARGET_NAMES } from './proxy/peers.ts';
import { benchProxy, SECTION_NAMES } from './proxy/proxy.ts';
import { benchTokens } from './tokens.ts';

const PARTS = ['tokens', 'fleet', 'proxy'];
const HELP = `npm run bench -- [${PARTS.join('] [')}] [options]

  --quick            proxy: about a minute, with nginx and http-proxy-3 alone; fleet: a few replicas, about a minute
  --report           proxy: with --quick, everything all the same, and docs/benchmarks.md
  --only SECTION     proxy: ${SECTION_NAMES.join(', ')}
  --targets A,B      proxy: ${TARGET_NAMES.join(', ')}
  --beside FILE      proxy: another bundle of the broker too, such as that of the branch before
  --seconds N        tokens: how long the steady load lasts (60)

A whole run takes some twenty minutes on a quiet machine and writes docs/benchmarks.md. The exit code is 1 when a promise was missed.
`;

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    quick: { type: 'boolean', default: false },
    report: { type: 'boolean', default: false },
    only: { type: 'string' },
    targets: { type: 'string' },
    beside: { type: 'string' },
    seconds: { type: 'string', default: '60' },
    help: { type: 'boolean', default: false },
  },
});
const say = (line: string) => void process.stdout.write(`${line}\n`);
const parts = positionals.length === 0 ? PARTS : positionals;
const { quick } = values;
const targets = values.targets?.split(',');
const only = SECTION_NAMES.find((name) => name === values.only);
const unknown = [
  ...parts.filter((part) => !PARTS.includes(part)),
  ...(targets ?? []).filter((target) => !TARGET_NAMES.includes(target)),
  ...(values.only !== undefined && only === undefined ? [values.only] : []),
];

if (values.help || unknown.length > 0) {
  for (const name of unknown) say(`"${name}" is not known; what is:\n`);
  say(HELP);
  process.exitCode = unknown.length > 0 ? 2 : 0;
} else {
  const kept = [
    !parts.includes('tokens') || (await benchTokens(Number(values.seconds), say)),
    !parts.includes('fleet') || (await benchFleet({ quick, say })),
    !parts.includes('proxy') || (await benchProxy({ quick, whole: !quick || values.report, only, targets, beside: values.beside, say })),
  ];
  process.exitCode = kept.every(Boolean) ? 0 : 1;
}
