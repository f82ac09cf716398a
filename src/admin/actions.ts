/** What the admin address can be told to do, and who may say so: programs on this machine, never a web page. */

import type { IncomingMessage } from 'node:http';
import { toBrokerError } from '../errors.ts';
import { type AcceptedHosts, refusedHost } from './accepted-host.ts';
import { jsonPage, type Page, textPage } from './page.ts';

export type TokenAction = 'renew' | 'purge';

export interface TokenFacts {
  readonly state: string;
  readonly fingerprint: string | undefined;
  readonly secondsLeft: number | undefined;
}

/** What can be done to the whole process. */
export interface Control {
  /** Takes the changed config over; resolves to what is wrong with it, line by line, where it cannot be used. */
  reload(): Promise<readonly string[]>;
  /** Begins the drain. */
  quit(): void;
}

/** What can be acted upon. */
export interface Actionable {
  readonly control: Control | undefined;
  readonly hosts: AcceptedHosts;
  /** Resolves once it is done; `undefined` where there is no such token. */
  act(action: TokenAction, token: string): Promise<void> | undefined;
  /** Of a token that there is. */
  facts(token: string): TokenFacts;
}

interface Asked {
  readonly path: string;
  readonly method: string | undefined;
  /** Each with all its values. */
  readonly headers: IncomingMessage['headersDistinct'];
}

/** `undefined` for a path that is none of an action. */
export async function answerAction(actionable: Actionable, { path, method, headers }: Asked): Promise<Page | undefined> {
  const act = actionAt(actionable, path);
  if (act === undefined) return undefined;
  if (method !== 'POST') return { ...textPage(405, 'only POST'), allow: 'POST' };
  const refusal = refusalOf(actionable, headers);
  return refusal === undefined ? act() : textPage(403, refusal);
}

function actionAt(actionable: Actionable, path: string): (() => Promise<Page>) | undefined {
  const { control } = actionable;
  if (path === '/reload' && control !== undefined) return () => reload(control);
  if (path === '/quit' && control !== undefined) return () => quit(control);
  const [, token, action] = /^\/tokens\/([^/]+)\/(renew|purge)$/.exec(path) ?? [];
  return token === undefined ? undefined : () => actOnToken(actionable, action as TokenAction, token);
}

async function reload(control: Control): Promise<Page> {
  const problems = await control.reload();
  return problems.length === 0 ? jsonPage(200, { reloaded: true }) : jsonPage(422, { reloaded: false, problems });
}

async function quit(control: Control): Promise<Page> {
  control.quit();
  return jsonPage(202, { draining: true });
}

async function actOnToken(actionable: Actionable, action: TokenAction, token: string): Promise<Page> {
  const done = actionable.act(action, token);
  if (done === undefined)
    return textPage(
      404,
      'no such token; names are those under "tokens" in the config, and those made from what callers bring can only be purged',
    );
  try {
    await done;
    return jsonPage(200, { token, ...actionable.facts(token) });
  } catch (cause) {
    const { code, status, message } = toBrokerError(cause, 'token');
    return jsonPage(status, { token, ...actionable.facts(token), code, detail: message });
  }
}

/** A page can send a request here without being asked, but none with a field of its own, and none under another site's name (DNS rebinding). */
function refusalOf({ hosts }: Actionable, headers: Asked['headers']): string | undefined {
  const refusal = refusedHost(hosts, headers);
  if (refusal !== undefined) return refusal;
  return headers['token-broker-admin']?.join() === '1' ? undefined : 'needs the field "Token-Broker-Admin: 1"';
}
