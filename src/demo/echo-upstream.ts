/** An upstream that answers every request with what it received, so that a demo can show it. Tokens are masked. */

import { createHash } from 'node:crypto';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { authorityOf, closeServer, type DemoAddress, listen } from './listen.ts';

/** What the upstream received. */
export interface EchoedRequest {
  readonly method: string;
  /** Path and query, as received. */
  readonly path: string;
  /** A repeated field has a list. */
  readonly fields: Readonly<Record<string, string | readonly string[]>>;
  readonly body: { readonly bytes: number; readonly sha256: string };
}

export interface EchoUpstreamOptions {
  readonly address: DemoAddress;
  /** Names of fields that hold a credential, in lower case; Authorization always does. */
  readonly secretFields?: ReadonlySet<string>;
  readonly onRequest?: (request: EchoedRequest) => void;
}

export interface EchoUpstream {
  readonly url: string;
  close(): Promise<void>;
}

/** Their values begin with a scheme, which may be shown. */
const CREDENTIAL_FIELDS = new Set(['authorization', 'proxy-authorization']);

/** Starts it on plain http. */
export async function startEchoUpstream(options: EchoUpstreamOptions): Promise<EchoUpstream> {
  const secretFields = options.secretFields ?? new Set();
  const server = createServer((request, response) => {
    answer(request, response, secretFields).then(options.onRequest, () => response.destroy());
  });
  const port = await listen(server, options.address);
  return { url: `http://${authorityOf(options.address.host, port)}`, close: () => closeServer(server) };
}

async function answer(request: IncomingMessage, response: ServerResponse, secretFields: ReadonlySet<string>): Promise<EchoedRequest> {
  const hash = createHash('sha256');
  let bytes = 0;
  for await (const chunk of request as AsyncIterable<Buffer>) {
    hash.update(chunk);
    bytes += chunk.length;
  }
  const echoed = {
    method: request.method ?? '',
    path: request.url ?? '',
    fields: maskedFields(request.rawHeaders, secretFields),
    body: { bytes, sha256: hash.digest('hex') },
  };
  response.setHeader('Content-Type', 'application/json');
  response.end(`${JSON.stringify(echoed, null, 2)}\n`);
  return echoed;
}

function maskedFields(raw: readonly string[], secretFields: ReadonlySet<string>): EchoedRequest['fields'] {
  const fields = new Map<string, { name: string; values: string[] }>();
  for (let i = 0; i < raw.length; i += 2) {
    const [name, value] = [raw[i] as string, raw[i + 1] as string];
    const key = name.toLowerCase();
    const entry = fields.get(key) ?? { name, values: [] };
    entry.values.push(masked(key, value, secretFields));
    fields.set(key, entry);
  }
  return Object.fromEntries([...fields.values()].map(({ name, values }) => [name, values.length === 1 ? (values[0] as string) : values]));
}

function masked(field: string, value: string, secretFields: ReadonlySet<string>): string {
  if (CREDENTIAL_FIELDS.has(field)) return maskCredential(value);
  return secretFields.has(field) ? maskValue(value) : value;
}

/** `Bearer abc…` as `Bearer <sha256 1f2e3d4c>`: the digits are those by which logs name the token. */
function maskCredential(value: string): string {
  const [, scheme = '', credential = ''] = /^([A-Za-z0-9._~+-]+ +)?(.*)$/s.exec(value) ?? [];
  return `${scheme}${maskValue(credential)}`;
}

function maskValue(value: string): string {
  return `<sha256 ${createHash('sha256').update(value).digest('hex').slice(0, 8)}>`;
}
