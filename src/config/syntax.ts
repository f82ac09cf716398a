/** Text → syntax tree of JSON with comments, or every syntax error in words. */

import { createScanner, type Node, type ParseError, parseTree, printParseErrorCode } from 'jsonc-parser';

export interface SyntaxProblem {
  readonly offset: number;
  readonly message: string;
}

/** Deeper than any config; the parser recurses and would run out of stack some thousand levels down. */
const DEEPEST_NESTING = 64;
const LONGEST_WORD = 20;
const OTHER_KIND = 'is not JSON, which begins with "{"; YAML, TOML and lists of variables are not read';
/** A file that is no JSON at all has an error in each line. */
const MOST_SHOWN = 20;

const WORDS: Readonly<Record<string, string>> = {
  InvalidSymbol: 'is not JSON; keys and strings need double quotes',
  InvalidNumberFormat: 'is not a JSON number; write it in digits, strings need double quotes',
  PropertyNameExpected: 'a key is expected here; write it in double quotes',
  ValueExpected: 'a value is expected here; give one, or remove the comma or key before it',
  ColonExpected: 'a ":" is expected here; write one between key and value',
  CommaExpected: 'a "," is expected here; write one between entries',
  CloseBraceExpected: 'a "}" is expected here; close every object',
  CloseBracketExpected: 'a "]" is expected here; close every list',
  EndOfFileExpected: 'the config ends before this; remove what follows, or a "}" too many',
  InvalidCommentToken: 'is not a comment; write // or /* */',
  UnexpectedEndOfComment: 'a comment begins here and never ends; write "*/"',
  UnexpectedEndOfString: 'a string begins here and does not end on its line; close it with a double quote',
  UnexpectedEndOfNumber: 'a number begins here and is not finished',
  InvalidUnicode: 'holds an incomplete escape; write \\u and four hex digits',
  InvalidEscapeCharacter: 'holds an unknown escape; write a backslash as \\\\',
  InvalidCharacter: 'holds a control character; write it as an escape such as \\t or \\n',
};

/** The tree, or why there is none. */
export function parseSyntax(text: string): { readonly tree: Node } | { readonly problems: readonly SyntaxProblem[] } {
  const tooDeep = offsetBelow(text, DEEPEST_NESTING);
  if (tooDeep !== undefined) return { problems: [{ offset: tooDeep, message: `is nested deeper than ${DEEPEST_NESTING} levels` }] };
  const errors: ParseError[] = [];
  const tree = parseTree(text, errors, { allowTrailingComma: true });
  if (errors.length > 0 && isBlank(text)) return { problems: [{ offset: 0, message: 'is empty; write a config, at least "listeners"' }] };
  if (tree === undefined || errors.length > 0) return { problems: worded(text, errors) };
  return { tree };
}

/** Where the text first opens a level too many. */
function offsetBelow(text: string, limit: number): number | undefined {
  const scanner = createScanner(text, true);
  let depth = 0;
  for (scanner.scan(); scanner.getTokenOffset() < text.length; scanner.scan()) {
    const first = text[scanner.getTokenOffset()];
    if (first === '{' || first === '[') depth += 1;
    else if (first === '}' || first === ']') depth -= 1;
    if (depth > limit) return scanner.getTokenOffset();
  }
  return undefined;
}

/** Whether there is nothing but white space and complete comments. */
function isBlank(text: string): boolean {
  const scanner = createScanner(text, true);
  scanner.scan();
  return scanner.getTokenOffset() >= text.length && scanner.getTokenError() === 0;
}

/** Where something stands that is no comment. */
function firstOffset(text: string): number {
  const scanner = createScanner(text, true);
  scanner.scan();
  return scanner.getTokenOffset();
}

/** What beginners write, by how it begins. */
function symbolWords(text: string, offset: number): string | undefined {
  const [word = ''] = /^[^\s,:\]}]*/.exec(text.slice(offset, offset + LONGEST_WORD)) ?? [];
  if (word.startsWith('#')) return WORDS['InvalidCommentToken'];
  if (word.startsWith("'")) return 'is in single quotes; JSON has double quotes';
  return /^(?:true|false|null|none|undefined)$/i.test(word) ? 'is not JSON; write true, false or null in small letters' : undefined;
}

/** What can be said of an error by what stands there. */
function closerWords(code: string, text: string, offset: number): string | undefined {
  if (code === 'InvalidSymbol') return symbolWords(text, offset);
  return code === 'PropertyNameExpected' && text.charAt(offset) === ',' ? 'is a "," too many; remove it' : undefined;
}

/** What an unknown word leads to, on whichever line; one in single quotes may hold a brace. */
const ECHOES: readonly string[] = ['ValueExpected'];
const ECHOES_OF_QUOTES: readonly string[] = ['ValueExpected', 'EndOfFileExpected'];

/** One error for each line: what follows on the same line is nearly always its echo. */
function worded(text: string, errors: readonly ParseError[]): SyntaxProblem[] {
  const problems: SyntaxProblem[] = [];
  const beginning = firstOffset(text);
  if (!/[{[#/]/.test(text.charAt(beginning))) return [{ offset: beginning, message: OTHER_KIND }];
  let lineEnd = -1;
  let echoes: readonly string[] = [];
  for (const { error, offset } of errors) {
    const code = printParseErrorCode(error);
    if (offset <= lineEnd || echoes.includes(code)) continue;
    if (code === 'InvalidSymbol') echoes = text.charAt(offset) === "'" ? ECHOES_OF_QUOTES : ECHOES;
    const found = text.indexOf('\n', offset);
    lineEnd = found === -1 ? text.length : found;
    problems.push({ offset, message: closerWords(code, text, offset) ?? WORDS[code] ?? 'is not JSON' });
  }
  const hidden = problems.length - MOST_SHOWN;
  return hidden <= 0
    ? problems
    : [
        ...problems.slice(0, MOST_SHOWN),
        { offset: (problems[MOST_SHOWN] as SyntaxProblem).offset, message: `and ${hidden} more syntax errors; is this the right file?` },
      ];
}
