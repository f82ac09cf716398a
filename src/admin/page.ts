/** One whole answer, of the admin address or of another small server. */

import type { IncomingMessage, ServerResponse } from 'node:http';

export interface Page {
  readonly status: number;
  readonly contentType: string;
  readonly text: string;
  /** Methods, where another one was used. */
  readonly allow?: string;
  /** More fields, by their names in lower case. */
  readonly fields?: Readonly<Record<string, string>>;
}

export function textPage(status: number, text: string): Page {
  return { status, contentType: 'text/plain; charset=utf-8', text: `${text}\n` };
}

/** Members that are `undefined` are left out. */
export function jsonPage(status: number, value: object): Page {
  return { status, contentType: 'application/json', text: `${JSON.stringify(value)}\n` };
}

export function sendPage(page: Page, request: IncomingMessage, response: ServerResponse): void {
  response.writeHead(page.status, {
    'content-type': page.contentType,
    'content-length': Buffer.byteLength(page.text),
    'cache-control': 'no-store',
    'x-content-type-options': 'nosniff',
    ...(page.allow === undefined ? {} : { allow: page.allow }),
    ...page.fields,
  });
  response.end(request.method === 'HEAD' ? undefined : page.text);
}
