/** A broker that hands out tokens, in front of a scripted authorization server. */

import { ORDERS_TOKEN, secretHash, startBroker, type TestBroker } from './broker.ts';
import { sharedAuthority } from './certificates.ts';
import { type Answer, type RequestOptions, request } from './http-client.ts';
import { tokenAnswer } from './scripted-answers.ts';
import { type Script, type ScriptedServer, startScriptedServer } from './scripted-server.ts';

export interface TokenEndpointScene extends TestBroker {
  readonly authorizationServer: ScriptedServer;
}

export interface TokenEndpointOptions {
  readonly token?: Script;
  readonly tokenConfig?: Record<string, unknown>;
  /** Of the listener `local`, which accepts Basic. */
  readonly listener?: Record<string, unknown>;
  readonly listeners?: Record<string, unknown>;
  readonly callers?: Record<string, unknown>;
  readonly tokens?: Record<string, unknown>;
  readonly files?: Readonly<Record<string, string>>;
}

export const GRANTED = { scope: 'orders.read orders.write' };

/** The caller `billing` with the password `secret` may have the token `orders`, and `audit` may not. */
export async function startTokenEndpoint(options: TokenEndpointOptions = {}): Promise<TokenEndpointScene> {
  const authorizationServer = await startScriptedServer({ answer: options.token ?? (() => tokenAnswer(GRANTED)) });
  const passwordHash = await secretHash();
  const broker = await startBroker(
    {
      listeners: {
        local: { address: '127.0.0.1:0', serve: 'token-endpoint', authenticate: ['basic'], ...options.listener },
        ...options.listeners,
      },
      callers: { billing: { basic: { passwordHash } }, audit: { basic: { passwordHash } }, ...options.callers },
      authorizationServers: { as: { tokenEndpoint: `${authorizationServer.url}/token` } },
      tokens: {
        orders: { ...ORDERS_TOKEN, scope: GRANTED.scope, callers: ['billing'], ...options.tokenConfig },
        ...options.tokens,
      },
    },
    options.files,
  );
  return {
    ...broker,
    authorizationServer,
    async close() {
      await broker.close();
      await authorizationServer.close();
    },
  };
}

/** Over TLS, HTTP/1.1 and HTTP/2. */
export async function secureListener(
  authenticate: readonly string[],
): Promise<{ readonly listener: Record<string, unknown>; readonly ca: string }> {
  const authority = await sharedAuthority();
  const { cert, key } = await authority.issueServer();
  const tls = { cert, key: { unsafeInline: key }, clientCa: authority.certificate };
  return { ca: authority.certificate, listener: { authenticate, tls, protocols: ['http/1.1', 'h2'] } };
}

export const GRANT = { grant_type: 'client_credentials' };

export interface TokenRequestOptions extends Omit<RequestOptions, 'body' | 'fields'> {
  readonly fields?: Readonly<Record<string, string>>;
  /** Default: a whole form without credentials. */
  readonly form?: Readonly<Record<string, string>> | string;
}

/** A token request as OAuth clients send it. */
export function askForToken(url: string, { form = GRANT, ...options }: TokenRequestOptions = {}): Promise<Answer> {
  const fields = { 'Content-Type': 'application/x-www-form-urlencoded', ...options.fields };
  return request(url, { method: 'POST', ...options, fields, body: typeof form === 'string' ? form : new URLSearchParams(form).toString() });
}
