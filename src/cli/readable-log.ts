/** The log of `dev`: each event on one line that a person can read. */

import { wordsOfReason } from './describe-failure.ts';
import { createPaint, type Paint, type Style } from './paint.ts';

const LEVEL_STYLES: Readonly<Record<string, Style>> = {
  trace: 'gray',
  debug: 'gray',
  info: 'cyan',
  warn: 'yellow',
  error: 'red',
  fatal: 'red',
};

/** Facts that the line shows in a place of their own, or that mean nothing to a reader at the terminal. */
const PLACED = new Set(['level', 'time', 'msg', 'method', 'path', 'status', 'ms', 'requestId', 'err']);

/** Takes pino's lines and writes readable ones. @param coloured whether the terminal shows colours */
export function readableLog(out: NodeJS.WritableStream, coloured: boolean): { write(line: string): void } {
  const paint = createPaint(coloured);
  return { write: (line) => void out.write(`${toReadable(JSON.parse(line) as Record<string, unknown>, paint)}\n`) };
}

function toReadable(event: Record<string, unknown>, paint: Paint): string {
  const level = String(event['level']);
  const time = paint('gray', String(event['time']).slice(11, 23));
  const head = event['msg'] === 'request' ? requestHead(event, paint) : paint(LEVEL_STYLES[level] ?? 'cyan', String(event['msg']));
  const facts = Object.entries(event)
    .filter(([name, value]) => !PLACED.has(name) && value !== undefined && value !== null)
    .map(([name, value]) => `${paint('gray', `${name}=`)}${typeof value === 'object' ? JSON.stringify(value) : String(value)}`);
  return [time, head, ...facts, ...whyOf(event)].join(' ');
}

function requestHead(event: Record<string, unknown>, paint: Paint): string {
  const status = Number(event['status'] ?? 0);
  const style = status >= 500 || status === 0 ? 'red' : status >= 400 ? 'yellow' : 'green';
  return `${event['method']} ${event['path']} ${paint(style, `→ ${status || 'abandoned'}`)} ${event['ms']}ms`;
}

/** The codes down the chain of causes, and what they mean: `(breaker_open < econnrefused): nothing listens there; …`. */
function whyOf({ err, msg }: Readonly<Record<string, unknown>>): string[] {
  const codes = codesOf(err);
  if (codes.length === 0) return [];
  const words =
    msg === 'token not granted' ? codes.map((code) => wordsOfReason(code, 'token')).find((found) => found !== undefined) : undefined;
  return [`(${codes.join(' < ')})${words === undefined ? '' : `: ${words}`}`];
}

function codesOf(err: unknown): string[] {
  const codes: string[] = [];
  for (
    let link = err as Record<string, unknown> | undefined;
    typeof link === 'object' && link !== null;
    link = link['cause'] as typeof link
  ) {
    codes.push(String(link['reason'] ?? link['code'] ?? link['name']));
  }
  return codes;
}
