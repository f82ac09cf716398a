/** The one call that `token-broker dev` makes through the broker, and how it is told to whoever reads the terminal. */

import { type IncomingMessage, request } from 'node:http';
import type { Config } from '../config/schema/root.ts';
import type { Address } from '../config/schema/values.ts';
import type { TokenRequest } from './authorization-server.ts';
import type { EchoedRequest } from './echo-upstream.ts';
import { authorityOf } from './listen.ts';

/** What happened, with every credential masked but the demo password in `curl`. */
export interface WorkedCall {
  readonly listener: string;
  readonly sent: { readonly line: string; readonly fields: readonly string[] };
  readonly authorizationServer: string;
  /** What the authorization server was asked, up to the end of the call. */
  readonly asked: readonly TokenRequest[];
  /** `undefined` when the answer is not from the echo upstream. */
  readonly received: EchoedRequest | undefined;
  readonly answered: { readonly status: number; readonly reason: string; readonly body: string };
  /** Repeats the call from a shell. */
  readonly curl: string;
}

/** Waiting for a token takes up to 10 s (contract, Token); an answer later than this will not come. */
const CALL_TIMEOUT_MS = 15_000;

/** Calls the listener that is bound to `address`, as the demo section says; `asked` may still grow while the call runs. */
export async function makeWorkedCall(config: Config, address: Address, asked: readonly TokenRequest[]): Promise<WorkedCall> {
  if (config.demo === undefined) throw new Error('the config has no "demo": add it, or use "token-broker start"');
  const { listener, caller, password, path } = config.demo.call;
  const username = config.callers[caller]?.basic?.username ?? caller;
  const credentials = `${username}:${password.reveal()}`;
  const fields = { Host: hostOf(address), Accept: 'application/json', Connection: 'close' };
  const { answer, body } = await get(address, path, { ...fields, Authorization: `Basic ${Buffer.from(credentials).toString('base64')}` });
  return {
    listener,
    sent: {
      line: `GET ${path} HTTP/1.1`,
      fields: [...Object.entries(fields).map(([name, value]) => `${name}: ${value}`), `Authorization: Basic <${username}:******>`],
    },
    authorizationServer: config.demo.authorizationServer.name,
    asked: [...asked],
    received: echoIn(body),
    answered: { status: answer.statusCode ?? 0, reason: answer.statusMessage ?? '', body },
    curl: curlLine(address, path, credentials),
  };
}

/** Lines for a terminal. */
export function describeWorkedCall(call: WorkedCall): string[] {
  const indent = (lines: readonly string[]) => lines.map((line) => `  ${line}`);
  const received = call.received === undefined ? [] : ['', 'the upstream received', ...indent(requestLines(call.received))];
  const { status, reason, body } = call.answered;
  return [
    `the application sent to listener "${call.listener}"`,
    ...indent([call.sent.line, ...call.sent.fields]),
    '',
    `the authorization server "${call.authorizationServer}" was asked`,
    ...indent(call.asked.length === 0 ? ['nothing'] : call.asked.map(tokenRequestLine)),
    ...received,
    '',
    'the application was answered',
    ...indent([`${status} ${reason}`, ...(call.received === undefined ? body.trimEnd().split('\n') : [])]),
    '',
    'to repeat it',
    ...indent([call.curl]),
  ];
}

function get(address: Address, path: string, headers: Record<string, string>): Promise<{ answer: IncomingMessage; body: string }> {
  const where = address.kind === 'unix' ? { socketPath: address.path } : { host: reachable(address.host), port: address.port };
  return new Promise((resolve, reject) => {
    const call = request({ ...where, path, headers, agent: false, signal: AbortSignal.timeout(CALL_TIMEOUT_MS) }, (answer) => {
      const chunks: Buffer[] = [];
      answer.on('data', (chunk: Buffer) => chunks.push(chunk));
      answer.on('end', () => resolve({ answer, body: Buffer.concat(chunks).toString() }));
      answer.on('error', reject);
    });
    call.on('error', reject);
    call.end();
  });
}

/** The wildcard addresses can be bound but, on some systems, not called. */
function reachable(host: string): string {
  if (host === '0.0.0.0') return '127.0.0.1';
  return host === '::' ? '::1' : host;
}

function echoIn(body: string): EchoedRequest | undefined {
  try {
    const answer = JSON.parse(body) as Partial<EchoedRequest>;
    return answer.method !== undefined && answer.fields !== undefined ? (answer as EchoedRequest) : undefined;
  } catch {
    return undefined;
  }
}

function requestLines(received: EchoedRequest): string[] {
  const fields = Object.entries(received.fields).flatMap(([name, values]) => [values].flat().map((value) => `${name}: ${value}`));
  return [`${received.method} ${received.path} HTTP/1.1`, ...fields];
}

function tokenRequestLine(asked: TokenRequest): string {
  const scope = asked.scope === undefined ? '' : `, scope "${asked.scope}"`;
  const outcome = asked.error === undefined ? `${asked.status}` : `${asked.status} ${asked.error}`;
  return `POST ${asked.path} ${asked.grant ?? '?'} by "${asked.clientId ?? '?'}" (${asked.clientAuthentication})${scope} → ${outcome}`;
}

/** The host of a URL that leads there. */
function hostOf(address: Address): string {
  return address.kind === 'tcp' ? authorityOf(reachable(address.host), address.port) : 'localhost';
}

/** A GET for a shell. */
export function curlLine(address: Address, path: string, credentials?: string): string {
  const user = credentials === undefined ? '' : ` --user ${shellWord(credentials)}`;
  const socket = address.kind === 'unix' ? ` --unix-socket ${shellWord(address.path)}` : '';
  return `curl${user}${socket} ${shellWord(`http://${hostOf(address)}${path}`)}`;
}

function shellWord(text: string): string {
  return /^[\w@%+=:,./[\]-]+$/.test(text) ? text : `'${text.replaceAll("'", `'\\''`)}'`;
}
