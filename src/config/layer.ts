/** One file of a config as a plain value, with the place of everything in it. */

import type { Node } from 'jsonc-parser';
import { type ConfigPath, formatPath } from './path.ts';
import { ConfigError, type ConfigProblem, type Finding } from './problem.ts';
import { parseSyntax } from './syntax.ts';

/** What was read from one file. */
export interface Layer {
  readonly file: string;
  /** Changes when the file does. */
  readonly fingerprint: string;
  /** The parsed JSON; its objects have no key twice and none that means something to JavaScript. */
  readonly raw: unknown;
  /** What was left out of `raw`, and why. */
  readonly problems: readonly ConfigProblem[];
  /** Whether something stands at a path, in this file. */
  has(path: ConfigPath): boolean;
  /** Gives a finding its line and column; where nothing stands at its path, those of the nearest object around it. */
  place(finding: Finding): ConfigProblem;
}

/** Parses a text. Throws `ConfigError` when it is not JSON with comments. */
export function layerFrom(file: string, text: string, fingerprint: string): Layer {
  const at = placesIn(file, text);
  const syntax = parseSyntax(text);
  if ('problems' in syntax) throw new ConfigError(syntax.problems.map(({ offset, message }) => at(offset, [], message)));
  const problems: ConfigProblem[] = [];
  const index: Index = new Map();
  const raw = plainValue(syntax.tree, [], { index, report: (offset, path, message) => problems.push(at(offset, path, message)) });
  return {
    file,
    fingerprint,
    raw,
    problems,
    has: (path) => index.has(JSON.stringify(path)),
    place: (finding) => at(offsetOf(index, finding), finding.path, finding.message),
  };
}

/** Turns offsets into lines and columns, both from 1. */
function placesIn(file: string, text: string) {
  const lineStarts = [0, ...[...text.matchAll(/\r\n|\n|\r/g)].map((end) => end.index + end[0].length)];
  return (offset: number, path: ConfigPath, message: string): ConfigProblem => {
    let line = 1;
    for (let above = lineStarts.length + 1; above - line > 1; ) {
      const middle = (line + above) >> 1;
      if ((lineStarts[middle - 1] as number) <= offset) line = middle;
      else above = middle;
    }
    return { file, line, column: offset - (lineStarts[line - 1] as number) + 1, path: formatPath(path), message };
  };
}

/** Where everything begins, by its path: looked up once for each problem, of which a bad file has thousands. */
type Index = Map<string, { readonly key: number; readonly value: number }>;

/** The offset of what a path names; of the nearest object around it where it names nothing. */
function offsetOf(index: Index, { path, at }: Finding): number {
  for (let length = path.length; length >= 0; length--) {
    const found = index.get(JSON.stringify(path.slice(0, length)));
    if (found !== undefined) return length === path.length ? found[at] : found.value;
  }
  return 0;
}

interface Walk {
  readonly index: Index;
  readonly report: (offset: number, path: ConfigPath, message: string) => void;
}

/** The value of a node. Not `getNodeValue`: that lets `__proto__` set a prototype, and the last of two equal keys win in silence. */
function plainValue(node: Node, path: ConfigPath, walk: Walk, key = node.offset): unknown {
  walk.index.set(JSON.stringify(path), { key, value: node.offset });
  if (node.type === 'array') return (node.children ?? []).map((item, index) => plainValue(item, [...path, index], walk));
  return node.type === 'object' ? plainObject(node, path, walk) : node.value;
}

function plainObject(node: Node, path: ConfigPath, walk: Walk): Record<string, unknown> {
  const object: Record<string, unknown> = {};
  for (const { children = [] } of node.children ?? []) {
    const [keyNode, valueNode] = children;
    if (keyNode === undefined || valueNode === undefined) continue;
    const key = keyNode.value as string;
    const keyPath = [...path, key];
    if (key in Object.prototype) walk.report(keyNode.offset, keyPath, 'is a key that JavaScript itself uses; choose another');
    else if (Object.hasOwn(object, key)) walk.report(keyNode.offset, keyPath, 'is there twice; remove one of the two');
    else object[key] = plainValue(valueNode, keyPath, walk, keyNode.offset);
  }
  return object;
}
