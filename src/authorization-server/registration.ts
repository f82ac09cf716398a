/** Enrols a client at its authorization server (RFC 7591 §3). */

import type { AuthorizationServerCalls } from './call.ts';
import { AuthorizationServerError } from './failure.ts';
import { readJson } from './jwt.ts';
import type { Metadata } from './metadata.ts';
import { refusalOf } from './token-answer.ts';

export interface RegistrationRequest {
  /** Client metadata (§2); its `token_endpoint_auth_method` is what the client will use. */
  readonly metadata: Readonly<Record<string, unknown>>;
  /** Where the server does not let everybody enrol. */
  readonly initialAccessToken: string | undefined;
}

export interface Registered {
  readonly clientId: string;
  /** There for methods that use one. */
  readonly secret?: string;
  /** When the secret ends, milliseconds since the epoch; absent: never. */
  readonly expiresAt?: number;
}

export interface RegistrationContext {
  readonly metadata: Metadata;
  readonly calls: AuthorizationServerCalls;
  /** Wall clock, milliseconds. */
  readonly now: number;
}

/** Each call makes one more client. Rejects with `AuthorizationServerError`, its reason `registration_` and what went wrong. */
export async function register(request: RegistrationRequest, { metadata, calls, now }: RegistrationContext): Promise<Registered> {
  const url = metadata.registration_endpoint;
  if (url === undefined) throw failed(new AuthorizationServerError('permanent', 'endpoint_missing'));
  const { initialAccessToken: token } = request;
  const answer = await calls.call({
    url,
    method: 'POST',
    headers: {
      accept: 'application/json',
      'content-type': 'application/json',
      ...(token === undefined ? {} : { authorization: `Bearer ${token}` }),
    },
    body: JSON.stringify(request.metadata),
  });
  const secrets = token === undefined ? [] : [token];
  if (answer.status !== 201 && answer.status !== 200) throw failed(refusalOf(answer, { grant: 'registration', now, secrets }));
  return readRegistration(readJson(answer.body), request.metadata['token_endpoint_auth_method']);
}

/** What the server says of the client wins over what was asked for (§3.2.1): a method that was not asked for cannot be used. */
function readRegistration(json: Record<string, unknown> | undefined, method: unknown): Registered {
  if (json === undefined) throw failed(new AuthorizationServerError('transient', 'answer_unreadable'));
  const { client_id: clientId, client_secret: secret, client_secret_expires_at: expiresAt } = json;
  const isSecret = typeof secret === 'string' && /^[\x20-\x7e]{1,4096}$/.test(secret);
  const usesSecret = typeof method === 'string' && method.startsWith('client_secret_');
  if (typeof clientId !== 'string' || !/^[\x20-\x7e]{1,1000}$/.test(clientId) || (usesSecret && !isSecret))
    throw failed(new AuthorizationServerError('nonsense', 'answer_incomplete'));
  if ((json['token_endpoint_auth_method'] ?? method) !== method)
    throw failed(new AuthorizationServerError('nonsense', 'method_unexpected'));
  const ends = usesSecret && typeof expiresAt === 'number' && expiresAt > 0;
  return { clientId, ...(usesSecret && isSecret ? { secret } : {}), ...(ends ? { expiresAt: expiresAt * 1000 } : {}) };
}

/** Whoever refuses to enrol a client has not refused the client. */
function failed(cause: AuthorizationServerError): AuthorizationServerError {
  const { failureClass, reason, retryAfterMs, said } = cause;
  return new AuthorizationServerError(failureClass, `registration_${reason}`, { cause, retryAfterMs, said });
}
