/** What a PromQL expression asks for: its series with their matchers, and the labels that it groups by. Enough for our own expressions. */

interface Matcher {
  readonly label: string;
  readonly operator: string;
  readonly value: string;
}

interface Selector {
  readonly metric: string;
  readonly matchers: readonly Matcher[];
}

const GROUPING = /\b(?:by|without|on|ignoring)\s*\(([^)]*)\)/g;
const SELECTOR = /(?<![\w.$:"])([a-zA-Z_:][\w:]*)\s*(\{[^}]*\})?(?!\s*\(|[\w:])/g;
const KEYWORDS = new Set(['and', 'or', 'unless', 'offset', 'bool']);

export function selectorsOf(expression: string): Selector[] {
  const bare = expression.replace(GROUPING, '').replace(/\[[^\]]*\]/g, '');
  return [...bare.matchAll(SELECTOR)]
    .filter(([, metric = '']) => !KEYWORDS.has(metric))
    .map(([, metric = '', braces = '']) => ({ metric, matchers: matchersOf(braces) }));
}

function matchersOf(braces: string): Matcher[] {
  return [...braces.matchAll(/(\w+)(=~|!~|!=|=)"([^"]*)"/g)].map(([, label = '', operator = '', value = '']) => ({
    label,
    operator,
    value,
  }));
}

export function groupedBy(expression: string): string[] {
  return [...expression.matchAll(GROUPING)].flatMap(([, labels = '']) => labels.split(',').map((label) => label.trim()));
}
