/** What the admin address can be told to do, and who may say so: programs on this machine, never a web page. */

import type { IncomingMessage } from 'node:http';
import { isLoopbackHost } from '../config/loopback.ts';
import { toBrokerError } from '../errors.ts';
import { jsonPage, type Page, textPage } from './page.ts';

export type TokenAction = 'renew' | 'purge';

export interface TokenFacts {
  readonly state: string;
  readonly fingerprint: string | undefined;
  readonly secondsLeft: number | undefined;
}

/** What can be acted upon. */
export interface Actionable {
  /** Names accepted as `Host` besides those of loopback; `"any"` on a Unix socket, which no page can name. */
  readonly hosts: readonly string[] | 'any';
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
  const [, token, action] = /^\/tokens\/([^/]+)\/(renew|purge)$/.exec(path) ?? [];
  if (token === undefined) return undefined;
  if (method !== 'POST') return { ...textPage(405, 'only POST'), allow: 'POST' };
  const refusal = refusalOf(actionable, headers);
  if (refusal !== undefined) return textPage(403, refusal);
  const done = actionable.act(action as TokenAction, token);
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
  const host = (headers['host'] ?? []).join().toLowerCase().replace(/:\d+$/, '');
  if (hosts !== 'any' && !isLoopbackHost(host) && !hosts.includes(host))
    return 'this "Host" is not accepted; use an address or name of loopback, or add it to "admin.hosts"';
  if (headers['token-broker-admin']?.join() !== '1') return 'needs the field "Token-Broker-Admin: 1"';
  return undefined;
}
