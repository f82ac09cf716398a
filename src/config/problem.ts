/** What is wrong with a config, where, and the one way it is worded. */

import type { ConfigPath } from './path.ts';

/** One thing that is wrong, or worth a warning. Nothing here quotes a value: it might be a secret. */
export interface ConfigProblem {
  readonly file: string;
  /** From 1. */
  readonly line: number;
  /** From 1, in UTF-16 code units, as editors count. */
  readonly column: number;
  /** As in `listeners.local.address` or `callers.app.basic.passwordHash[1]`; empty for the file as a whole. */
  readonly path: string;
  /** What is wrong; the way out. */
  readonly message: string;
}

/** Something found by its path, not yet placed in the text. */
export interface Finding {
  readonly severity: 'problem' | 'warning';
  readonly path: ConfigPath;
  readonly message: string;
  /** Where to point: at the key itself, or at its value (or the nearest object that exists). */
  readonly at: 'key' | 'value';
}

export function problem(path: ConfigPath, message: string, at: Finding['at'] = 'value'): Finding {
  return { severity: 'problem', path, message, at };
}

export function warning(path: ConfigPath, message: string, at: Finding['at'] = 'value'): Finding {
  return { severity: 'warning', path, message, at };
}

/** The end of a sentence about a file. @param count keys besides the one that the sentence is about */
export function namedElsewhere(count: number): string {
  if (count === 0) return '';
  return `; ${count} more ${count === 1 ? 'key names' : 'keys name'} the same file`;
}

/** A config that cannot be used: everything that is wrong with it, in the order of the file. */
export class ConfigError extends Error {
  override readonly name = 'ConfigError';
  readonly problems: readonly ConfigProblem[];
  readonly warnings: readonly ConfigProblem[];

  constructor(problems: readonly ConfigProblem[], warnings: readonly ConfigProblem[] = []) {
    super(problems.map(formatProblem).join('\n'));
    this.problems = problems;
    this.warnings = warnings;
  }
}

/** `FILE:LINE:COLUMN: "path.to.key" what is wrong; the way out`, always one line. */
export function formatProblem({ file, line, column, path, message }: ConfigProblem): string {
  return `${file}:${line}:${column}: ${path === '' ? '' : `"${path}" `}${message}`;
}

/** In the order of the files and within each, each once. */
export function inOrder(problems: readonly ConfigProblem[], files: readonly string[]): ConfigProblem[] {
  const unique = new Map(problems.map((entry) => [formatProblem(entry), entry]));
  return [...unique.values()].sort((a, b) => files.indexOf(a.file) - files.indexOf(b.file) || a.line - b.line || a.column - b.column);
}
