/** An error as it may stand in a log: names, codes and places, but no text that somebody else wrote. */

/** Messages of these classes are our own words; those of libraries and of Node quote header values, bodies and tokens. */
const OWN_ERRORS = new Set(['BrokerError', 'AuthorizationServerError']);

/** Fields of our own errors that say more. */
const FACTS = ['code', 'stage', 'reason', 'failureClass', 'said', 'syscall'] as const;

/** The chain of causes, outermost first, at most five deep. */
export function describeError(error: unknown): Record<string, unknown> {
  return describe(error, 5);
}

function describe(error: unknown, depth: number): Record<string, unknown> {
  if (typeof error !== 'object' || error === null) return { name: typeof error };
  const source = error as Record<string, unknown>;
  const name = typeof source['name'] === 'string' ? source['name'] : 'Error';
  const own = OWN_ERRORS.has(name);
  const described: Record<string, unknown> = { name };
  for (const fact of FACTS) if (typeof source[fact] === 'string') described[fact] = source[fact];
  if (own) described['message'] = source['message'];
  else if (typeof source['stack'] === 'string') described['at'] = frames(source['stack']);
  if (source['cause'] !== undefined && depth > 1) described['cause'] = describe(source['cause'], depth - 1);
  return described;
}

/** Where it happened, without the message that begins a stack. */
function frames(stack: string): string[] {
  return stack
    .split('\n')
    .filter((line) => /^\s+at /.test(line))
    .slice(0, 4)
    .map((line) => line.trim());
}
