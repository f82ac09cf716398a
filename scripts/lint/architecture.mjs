/** Lint rule: who may import whom. The table is docs/architecture.md "Imports" in a form that a machine can hold us to. */

import { relative, sep } from 'node:path';

const EVERYWHERE = ['errors', 'message', 'derive', 'recent-map', 'clock', 'telemetry'];

/** Values of the config that stand for themselves: the rest of it is seen as types, made once and passed in. */
const CONFIG = [
  'type config',
  'config/secret.ts',
  'config/loopback.ts',
  'config/signing-key.ts',
  'config/proxy-authorization.ts',
  'config/own-credentials.ts',
  'config/htpasswd.ts',
  'config/wildcard.ts',
  'config/verification-keys.ts',
  'config/validity.ts',
  'config/pem.ts',
  'config/values-in.ts',
];

/** Of "operation": what broker and injector see of themselves in the same way. */
const WATCHED_ALIKE = ['operation/certificates.ts', 'operation/refused-connections.ts'];

/**
 * For each part of src/ (a folder, or a file right under src/): what else of ours it may import. A part that is not listed may
 * import nothing of ours. "*" is everything, "!x" all but x, "type x" only types of x, a name with ".ts" that one file.
 * @type {Record<string, { from: string[], because: string }>}
 */
const PARTS = {
  cli: { from: ['*'], because: '' },
  broker: composition(),
  'reloadable-broker': composition(),
  service: composition(),
  stages: composition(),
  operation: composition(),
  exchange: {
    from: [...EVERYWHERE, ...CONFIG, 'problem', 'reply-to', 'caller', 'route', 'token', 'upstream'],
    because: "exchange.ts is one request's way through the stages and knows nothing around it",
  },
  listener: {
    from: [...EVERYWHERE, ...CONFIG, 'problem', 'wire', 'type exchange'],
    because: 'a listener hands requests to what broker.ts gave it and knows no stage',
  },
  caller: stage(['authorization-server', 'password-hash']),
  route: stage([]),
  token: stage(['authorization-server']),
  upstream: stage(['wire']),
  wire: { from: ['message', 'derive'], because: 'the codec is bytes and their meaning; what is done with them is decided above it' },
  'authorization-server': {
    from: [...EVERYWHERE, ...CONFIG, 'wire'],
    because: 'the authorization server is beneath the stages and knows none of them',
  },
  config: { from: ['errors', 'clock', 'password-hash', 'bcrypt'], because: 'the config is read before anything else exists' },
  admin: { from: [...EVERYWHERE, ...CONFIG, 'type broker'], because: "admin sees the broker's public face only" },
  kubernetes: {
    from: [...EVERYWHERE, ...CONFIG, 'config/path.ts', 'config/problem.ts', 'admin', 'listener', ...WATCHED_ALIKE],
    because: 'the injector hands the broker out and never runs it: it needs servers, and no stage',
  },
  demo: { from: [...EVERYWHERE, ...CONFIG], because: 'the demo stands beside the broker and talks to it over the network' },
  problem: { from: ['errors', 'message'], because: 'a problem is made of an error and nothing else' },
  'reply-to': { from: ['message', 'type caller'], because: 'it completes an answer and knows nothing of what is answered' },
  telemetry: {
    from: ['clock', 'type errors', 'type message'],
    because: 'telemetry is imported by everything, so it imports nothing of ours',
  },
  errors: { from: [], because: 'errors are imported by everything, so they import nothing of ours' },
  derive: { from: ['type message'], because: 'it works on fields and knows nothing of what is derived of them' },
  'recent-map': { from: [], because: 'a map knows nothing of what is kept in it' },
  message: { from: [], because: 'the message types are imported by every stage, so they import nothing of ours' },
  'password-hash': {
    from: ['bcrypt'],
    because: 'the config judges hashes and callers compute them; the form of a hash belongs to neither',
  },
  bcrypt: { from: [], because: 'it is one kind of password hash and knows nothing of the others' },
  clock: { from: [], because: 'the clock is imported by everything, so it imports nothing of ours' },
};

function composition() {
  return { from: ['*', '!cli', '!demo'], because: 'the broker is put together for the command line and the demo; it knows neither' };
}

/** @param {string[]} more */
function stage(more) {
  return {
    from: [...EVERYWHERE, ...CONFIG, ...more],
    because: 'stages never import each other: exchange.ts passes values between them',
  };
}

/**
 * Each outside thing has one home, so that it can be replaced there. `dynamic`: only by `import()`, since those who install the
 * bundle do not have it.
 * @type {{ packages: RegExp, homes: string[], because: string, dynamic?: boolean }[]}
 */
const HOMES = [
  {
    packages: /^(?:openid-client|oauth4webapi|jose)$/,
    homes: ['authorization-server'],
    because: 'OAuth libraries stay behind one adapter',
  },
  { packages: /^p-retry$/, homes: ['token'], because: 'only obtaining a token is tried again' },
  { packages: /^(?:keyv|@keyv\/redis|@redis\/client)$/, homes: ['token/store'], because: 'the store is behind one interface' },
  { packages: /^node:http2$/, homes: ['upstream/http2', 'listener/http2'], because: 'the data plane under the stages is replaceable' },
  {
    packages: /^node:https?$/,
    homes: ['listener', 'admin', 'demo', 'kubernetes', 'authorization-server'],
    because: 'the data plane under the stages is replaceable',
  },
  {
    packages: /^bcryptjs$/,
    homes: ['bcrypt/worker.ts'],
    because: 'it computes in plain JavaScript, which would hold up everything else in this thread',
  },
  { packages: /^commander$/, homes: ['cli'], because: 'only the command line reads arguments' },
  { packages: /^(?:zod|jsonc-parser|fastest-levenshtein)$/, homes: ['config'], because: 'the config is checked once, when it is read' },
  { packages: /^(?:prom-client|pino)$/, homes: ['telemetry'], because: 'what leaves in logs and metrics is masked in one place' },
  {
    packages: /^kerberos$/,
    homes: ['caller/kerberos.ts'],
    because: 'it is an optional peer, and C that reads what nobody has proven',
    dynamic: true,
  },
  { packages: /^oidc-provider$/, homes: ['demo'], because: 'it is a dev dependency and not in the bundle', dynamic: true },
  {
    packages: /^node:fs(?:\/promises)?$/,
    homes: ['config', 'cli', 'demo', 'listener', 'admin/status-page/sources.ts', 'telemetry/log-output.ts'],
    because:
      'files are read by the config; a listener keeps only its Unix socket, the status page is a part of the program, and the log is written',
  },
];

/** Files of ours that all but they themselves load when they are first needed, since what they import is large. */
const ON_DEMAND = ['token/store/keyv.ts', 'token/store/topology.ts'];

/**
 * @typedef {{ value: string, isType: boolean, isDynamic: boolean }} Import
 * @typedef {{ type: string, importKind?: string, exportKind?: string, specifiers?: { importKind?: string }[] }} ImportNode
 */

/**
 * What is wrong with an import, or `undefined`.
 * @param {string} file the importing file, relative to src/
 * @param {Import} imported
 */
export function judge(file, imported) {
  return imported.value.startsWith('.') ? judgeOwn(file, imported) : judgePackage(file, imported);
}

/**
 * @param {string} file
 * @param {Import} imported
 */
function judgeOwn(file, imported) {
  const from = partOf(file);
  const path = new URL(imported.value, `file:///${file}`).pathname.slice(1);
  const to = partOf(path);
  if (ON_DEMAND.includes(path) && !ON_DEMAND.includes(file) && !imported.isType && !imported.isDynamic)
    return `"${path}" only by "await import()": most brokers do without it`;
  if (from === to) return undefined;
  const { from: allowed, because } = PARTS[from] ?? { from: [], because: `"${from}" is not in the table of scripts/lint/architecture.mjs` };
  const mayType = allowed.includes(`type ${to}`) || allowed.includes('type *');
  if (allowed.includes(to) || allowed.includes(path) || (imported.isType && mayType)) return undefined;
  if (allowed.includes('*') && !allowed.includes(`!${to}`)) return undefined;
  return `"${from}" may not import "${to}"${mayType ? ' but for types ("import type")' : ''}: ${because}`;
}

/**
 * @param {string} file
 * @param {Import} imported
 */
function judgePackage(file, imported) {
  const rule = HOMES.find(({ packages }) => packages.test(imported.value));
  if (rule === undefined) return undefined;
  const places = rule.homes.map((home) => `src/${home}`).join(', ');
  if (!rule.homes.some((home) => file === home || file.startsWith(`${home}/`)))
    return `"${imported.value}" belongs in ${places}: ${rule.because}`;
  if (rule.dynamic && !imported.isType && !imported.isDynamic) return `"${imported.value}" only by "await import()": ${rule.because}`;
  return undefined;
}

/** @param {string} file */
function partOf(file) {
  const [first = ''] = file.split('/');
  return first.replace(/\.ts$/, '');
}

/** @param {ImportNode} node */
function isTypeOnly({ type, importKind, exportKind, specifiers }) {
  if (type === 'TSImportType' || importKind === 'type' || exportKind === 'type') return true;
  return specifiers !== undefined && specifiers.length > 0 && specifiers.every((specifier) => specifier.importKind === 'type');
}

const rule = {
  create(context) {
    const file = relative(`${context.cwd}/src`, context.filename).split(sep).join('/');
    const check = (node) => {
      const source = node.source ?? node.argument?.literal;
      if (typeof source?.value !== 'string') return;
      const message = judge(file, { value: source.value, isType: isTypeOnly(node), isDynamic: node.type === 'ImportExpression' });
      if (message !== undefined) context.report({ node: source, message });
    };
    return {
      ImportDeclaration: check,
      ExportNamedDeclaration: check,
      ExportAllDeclaration: check,
      ImportExpression: check,
      TSImportType: check,
    };
  },
};

export default { meta: { name: 'architecture' }, rules: { imports: rule } };
