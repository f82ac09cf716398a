/** One answer of the admin address, whole. */

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
