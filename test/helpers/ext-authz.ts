/** Checks as proxies send them to an `ext-authz` listener: in the words of each dialect, byte for byte. */

import { DIALECTS } from '../../src/config/schema/listeners.ts';
import { sendRaw, type Target } from './raw-client.ts';

export { DIALECTS };
export type Dialect = (typeof DIALECTS)[number];

/** The request that a proxy asks about. */
export interface Original {
  readonly method?: string;
  /** Path and query. */
  readonly uri?: string;
  readonly host?: string;
}

/** The request line and the fields of a check, without those that any request has. */
export function checkLines(dialect: Dialect, { method = 'GET', uri = '/api/x', host = 'localhost' }: Original): string[] {
  switch (dialect) {
    case 'nginx':
      return ['GET /authorize HTTP/1.1', 'Host: 127.0.0.1', `X-Original-Method: ${method}`, `X-Original-URL: http://${host}${uri}`];
    case 'envoy':
      return [`${method} ${uri} HTTP/1.1`, `Host: ${host}`];
    default:
      return [
        'GET / HTTP/1.1',
        'Host: 127.0.0.1',
        `X-Forwarded-Method: ${method}`,
        'X-Forwarded-Proto: https',
        `X-Forwarded-Host: ${host}`,
        `X-Forwarded-Uri: ${uri}`,
        'X-Forwarded-For: 192.0.2.1',
      ];
  }
}

export interface Verdict {
  readonly status: number;
  /** The values of a field, in order. */
  all(name: string): string[];
  /** The only value of a field; `undefined` where there is none. */
  field(name: string): string | undefined;
  readonly body: string;
}

/** Sends the lines of a request as they are, with whatever is to follow its head, and reads the only answer. */
export async function ask(target: Target, lines: readonly string[], behind = ''): Promise<Verdict> {
  const { text } = await sendRaw(target, `${[...lines, 'Connection: close'].join('\r\n')}\r\n\r\n${behind}`);
  const [head = '', ...rest] = text.split('\r\n\r\n');
  const [line = '', ...fields] = head.split('\r\n');
  const all = (name: string) =>
    fields.filter((field) => field.toLowerCase().startsWith(`${name.toLowerCase()}:`)).map((field) => field.slice(name.length + 1).trim());
  return {
    status: Number(/^HTTP\/1\.1 (\d{3}) /.exec(line)?.[1]),
    all,
    field(name) {
      const values = all(name);
      if (values.length > 1) throw new Error(`${name} is there ${values.length} times`);
      return values[0];
    },
    body: rest.join('\r\n\r\n'),
  };
}
