/** An error as it may stand in a log: names, codes and places, but no text that somebody else wrote. */

/** Messages of these classes are our own words; those of libraries and of Node quote header values, bodies and tokens. */
const OWN_ERRORS = new Set(['BrokerError', 'AuthorizationServerError']);

/** Fields of our own errors that say more. */
const OWN_FACTS = ['stage', 'reason', 'failureClass', 'said'] as const;

/** What any error may say of itself, where it is a word such as `ECONNRESET`. */
const FACTS = ['code', 'syscall'] as const;
const WORD = /^[A-Za-z][A-Za-z0-9_]{0,63}$/;

/** As V8 writes them: a function, a file, a line, a column. */
const FRAME = /^\s+at (?:async )?(?:[\w.$<>#[\] ]+ \()?(?:file:|node:|\/)[^\s()]*:\d+:\d+\)?$/;

/** The chain of causes, outermost first, at most five deep. */
export function describeError(error: unknown): Record<string, unknown> {
  return describe(error, 5);
}

function describe(error: unknown, depth: number): Record<string, unknown> {
  if (typeof error !== 'object' || error === null) return { name: typeof error };
  const source = error as Record<string, unknown>;
  const name = wordOf(source['name']) ?? 'Error';
  const own = OWN_ERRORS.has(name);
  const described: Record<string, unknown> = { name };
  for (const fact of FACTS) if (wordOf(source[fact]) !== undefined) described[fact] = source[fact];
  if (own) for (const fact of ['message', ...OWN_FACTS]) if (typeof source[fact] === 'string') described[fact] = source[fact];
  if (!own && typeof source['stack'] === 'string') described['at'] = frames(source['stack'], source['message']);
  if (source['cause'] !== undefined && depth > 1) described['cause'] = describe(source['cause'], depth - 1);
  return described;
}

function wordOf(value: unknown): string | undefined {
  return typeof value === 'string' && WORD.test(value) ? value : undefined;
}

/** Where it happened, without the message that begins a stack: that may have lines that look like places. */
function frames(stack: string, message: unknown): string[] {
  const from = typeof message === 'string' ? stack.indexOf(message) + message.length : 0;
  return stack
    .slice(Math.max(0, from))
    .split('\n')
    .filter((line) => FRAME.test(line))
    .slice(0, 4)
    .map((line) => line.trim());
}
