/** One authorization server as the token stage sees it: give it a grant, get a checked answer or a classed failure. */

import * as oauth from 'openid-client';
import { type Clock, systemClock } from '../clock.ts';
import type { AuthorizationServerConfig } from '../config/schema/authorization-servers.ts';
import { Breaker } from './breaker.ts';
import { AuthorizationServerCalls } from './call.ts';
import { toAuthorizationServerError } from './failure.ts';
import { MetadataDocument } from './metadata.ts';
import { readTokenAnswer, type TokenAnswer } from './token-answer.ts';

/** Puts the client's proof of identity on a token request (RFC 6749 §2.3). Called anew for each request. */
export type ClientAuthentication = (clientId: string, form: URLSearchParams, headers: Headers) => void | Promise<void>;

export interface TokenRequest {
  /** Value of `grant_type`. */
  readonly grant: string;
  readonly clientId: string;
  readonly authenticate: ClientAuthentication;
  readonly parameters: URLSearchParams;
  readonly headers: Readonly<Record<string, string>>;
  /** Longest acceptable access token in bytes. */
  readonly maxSize: number;
}

/** Form fields that may go to the log in clear; all others are replaced in what the server echoes. */
const PUBLIC_FIELDS = new Set(['grant_type', 'scope', 'audience', 'resource', 'client_id']);

export class AuthorizationServer {
  readonly #config: AuthorizationServerConfig;
  readonly #clock: Clock;
  readonly #calls: AuthorizationServerCalls;
  readonly #metadata: MetadataDocument;
  readonly #breaker: Breaker;

  constructor(config: AuthorizationServerConfig, clock: Clock = systemClock) {
    this.#config = config;
    this.#clock = clock;
    this.#calls = new AuthorizationServerCalls({
      timeoutMs: config.timeout,
      connectTimeoutMs: config.connectTimeout,
      ca: () => config.tls.ca?.reveal(),
    });
    this.#metadata = new MetadataDocument(config, this.#calls, clock);
    this.#breaker = new Breaker(clock);
  }

  /** One grant, one try (RFC 6749 §4). Rejects with `AuthorizationServerError`. */
  requestToken(request: TokenRequest): Promise<TokenAnswer> {
    return this.#breaker.run(async () => {
      const metadata = await this.#metadata.get();
      const { fetch, accepted } = this.#tokenFetch(request);
      const client = new oauth.Configuration({ ...metadata }, request.clientId, undefined, (_server, _client, form, headers) =>
        request.authenticate(request.clientId, form, headers),
      );
      // Whether http is acceptable was decided by the config's rules and by discovery.
      oauth.allowInsecureRequests(client);
      client[oauth.customFetch] = fetch;
      try {
        await oauth.genericGrantRequest(client, request.grant, request.parameters);
      } catch (error) {
        throw toAuthorizationServerError(error);
      }
      return accepted();
    });
  }

  close(): Promise<void> {
    return this.#calls.close();
  }

  /** A fetch for openid-client that judges the answer itself and hands on only what it found acceptable. */
  #tokenFetch(request: TokenRequest) {
    let answered: TokenAnswer | undefined;
    const fetch: oauth.CustomFetch = async (url, options) => {
      const form = options.body as URLSearchParams;
      const headers = { ...options.headers, ...request.headers };
      const answer = await this.#calls.call({ url, method: options.method, headers, body: form.toString() });
      answered = readTokenAnswer(answer, {
        maxSize: request.maxSize,
        tokenTypes: this.#config.tokenTypes.map((type) => type.toLowerCase()),
        now: this.#clock.now(),
        grant: request.grant,
        mask: (text) => maskForm(text, form, headers),
      });
      return Response.json({ access_token: answered.accessToken, token_type: 'bearer' });
    };
    return { fetch, accepted: () => answered as TokenAnswer };
  }
}

/** Servers echo what they were sent: every value of the request that is not public is cut out of what they say. */
function maskForm(text: string, form: URLSearchParams, headers: Readonly<Record<string, string>>): string {
  const secrets = [...form].filter(([name, value]) => !PUBLIC_FIELDS.has(name) && value.length > 3).map(([, value]) => value);
  const credentials = headers['authorization']?.split(' ')[1];
  if (credentials !== undefined) {
    secrets.push(credentials, ...Buffer.from(credentials, 'base64').toString('latin1').split(':').slice(1));
    secrets.push(...secrets.map((value) => decodeForm(value)));
  }
  return secrets.filter((secret) => secret.length > 3).reduce((masked, secret) => masked.replaceAll(secret, '[secret]'), text);
}

function decodeForm(value: string): string {
  try {
    return decodeURIComponent(value.replaceAll('+', ' '));
  } catch {
    return value;
  }
}
