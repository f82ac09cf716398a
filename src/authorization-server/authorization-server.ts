/** One authorization server as the token stage sees it: give it a grant, get a checked answer or a classed failure. */

import * as oauth from 'openid-client';
import { type Clock, systemClock } from '../clock.ts';
import type { AuthorizationServerConfig } from '../config/schema/authorization-servers.ts';
import { Breaker, type BreakerStatus } from './breaker.ts';
import { AuthorizationServerCalls } from './call.ts';
import type { ClientProof } from './client-proof.ts';
import { toAuthorizationServerError } from './failure.ts';
import { Initiation } from './initiation.ts';
import { type Metadata, MetadataDocument, type MetadataStatus } from './metadata.ts';
import type { ProofKey } from './proof-key.ts';
import { register } from './registration.ts';
import { type RevocationRequest, revoke } from './revocation.ts';
import { secretsOfRequest } from './said.ts';
import { readRefreshToken, readTokenAnswer, type TokenAnswer } from './token-answer.ts';
import type { UpstreamFrom } from './upstream-origin.ts';

export type OnRefreshToken = (refreshToken: string) => void | Promise<void>;

export interface TokenRequest {
  /** Value of `grant_type`. */
  readonly grant: string;
  readonly clientId: string;
  readonly proof: ClientProof;
  readonly parameters: URLSearchParams;
  /** Of the token that is wanted, whether or not it stands among the parameters: names separated by spaces. */
  readonly scope?: string | undefined;
  /** Whether a token that lacks some of that scope is accepted. */
  readonly onMissingScope?: 'warn' | 'refuse';
  readonly headers: Readonly<Record<string, string>>;
  /** Longest acceptable access token in bytes. */
  readonly maxSize: number;
  /** Of a token exchange: the answer must be of this type. */
  readonly requestedTokenType?: string | undefined;
  /** What the token is to be bound to: the answer's type must then be DPoP (RFC 9449 §5). */
  readonly proofKey?: ProofKey | undefined;
  /** Which field of the answer names the upstream. */
  readonly upstreamFrom?: UpstreamFrom | undefined;
  /** Takes the refresh token of the answer before anything else of it is judged. Must not fail. */
  readonly onRefreshToken?: OnRefreshToken | undefined;
}

export class AuthorizationServer {
  readonly #config: AuthorizationServerConfig;
  readonly #clock: Clock;
  readonly #calls: AuthorizationServerCalls;
  readonly #initiation: Initiation;
  readonly #metadata: MetadataDocument;
  readonly #breaker: Breaker;
  /** Of another endpoint, whose trouble is no reason to ask for no tokens. */
  readonly #revocationBreaker: Breaker;
  /** The last `DPoP-Nonce` of any answer (RFC 9449 §8). */
  #nonce: string | undefined;

  constructor(config: AuthorizationServerConfig, clock: Clock = systemClock) {
    this.#config = config;
    this.#clock = clock;
    this.#calls = new AuthorizationServerCalls({
      timeoutMs: config.timeout,
      connectTimeoutMs: config.connectTimeout,
      ca: () => config.tls.ca?.reveal(),
      proxy: config.proxy,
      clock,
    });
    this.#initiation = new Initiation(config.initiation, this.#calls, clock);
    this.#metadata = new MetadataDocument(config, this.#calls, clock);
    this.#breaker = new Breaker(clock);
    this.#revocationBreaker = new Breaker(clock);
  }

  /** Its issuer and endpoint as configured: what was given for another server is not for this one. */
  get identity(): string {
    const { issuer, metadataUrl, tokenEndpoint } = this.#config;
    return JSON.stringify([issuer ?? null, metadataUrl ?? null, tokenEndpoint ?? null]);
  }

  /**
   * What its token requests go to, in one spelling: two names of the config that say the same stand for one server. `undefined` before
   * discovery. Without the query: whatever that says, the accounts behind it are mostly the same.
   */
  get knownEndpoint(): string | undefined {
    const endpoint = this.#metadata.tokenEndpoint;
    if (endpoint === undefined) return undefined;
    const { origin, pathname } = new URL(endpoint);
    return origin + pathname;
  }

  /** The same, after discovery where it takes one. Rejects with `AuthorizationServerError`. */
  async endpoint(): Promise<string> {
    if (this.knownEndpoint === undefined) await this.#breaker.run(() => this.#begin());
    return this.knownEndpoint as string;
  }

  /** One grant, one try (RFC 6749 §4). Rejects with `AuthorizationServerError`. */
  requestToken(request: TokenRequest): Promise<TokenAnswer> {
    return this.#breaker.run(async () => {
      const metadata = await this.#begin();
      const { fetch, accepted } = this.#tokenFetch(request);
      const { clientId, proof } = request;
      // oxlint-disable-next-line typescript/no-misused-promises -- openid-client awaits it; only its types say void.
      const prove: oauth.ClientAuth = (_server, _client, form, headers) =>
        proof.write({
          clientId,
          form,
          headers,
          issuer: this.#config.issuer,
          tokenEndpoint: metadata.token_endpoint,
          register: (wanted) => register(wanted, { metadata, calls: this.#calls, now: this.#clock.now() }),
        });
      const aliases = { use_mtls_endpoint_aliases: proof.certificate !== undefined };
      const { issuer, token_endpoint, mtls_endpoint_aliases } = metadata;
      const client = new oauth.Configuration({ issuer, token_endpoint, mtls_endpoint_aliases }, clientId, aliases, prove);
      // Whether http is acceptable was decided by the config's rules and by discovery.
      oauth.allowInsecureRequests(client);
      client[oauth.customFetch] = fetch;
      try {
        await oauth.genericGrantRequest(client, request.grant, request.parameters);
      } catch (error) {
        const failure = toAuthorizationServerError(error);
        if (!failure.nonceWanted) this.#initiation.again();
        throw failure;
      }
      return accepted();
    });
  }

  /** It may have come back: the next request finds out, whatever its failures until now. */
  letProbe(): void {
    this.#breaker.letProbe();
  }

  /** One token given back, one try (RFC 7009). Rejects with `AuthorizationServerError`. */
  revoke(request: RevocationRequest): Promise<void> {
    return this.#revocationBreaker.run(async () => {
      const metadata = await this.#begin();
      await revoke(request, { metadata, issuer: this.#config.issuer, calls: this.#calls, now: this.#clock.now() });
    });
  }

  /** How far its clock is ahead of ours, in milliseconds, give or take a second; `undefined` while no answer has said. */
  get clockAheadMs(): number | undefined {
    return this.#calls.clockAheadMs;
  }

  /** Nothing that the server said. */
  status(): { readonly breaker: BreakerStatus; readonly metadata: MetadataStatus | undefined } {
    return { breaker: this.#breaker.status(), metadata: this.#metadata.status() };
  }

  close(): Promise<void> {
    return this.#calls.close();
  }

  async #begin(): Promise<Metadata> {
    await this.#initiation.done();
    return this.#metadata.get();
  }

  /** A fetch for openid-client that judges the answer itself and hands on only what it found acceptable. */
  #tokenFetch(request: TokenRequest) {
    let answered: TokenAnswer | undefined;
    const fetch: oauth.CustomFetch = async (url, options) => {
      const form = options.body as URLSearchParams;
      const proof = request.proofKey?.proof(options.method, url, this.#nonce);
      // Which library this is, and of which version, is nobody's business.
      const headers = { ...options.headers, 'user-agent': 'token-broker', ...request.headers, ...(proof && { dpop: proof }) };
      const answer = await this.#calls.call({
        url,
        method: options.method,
        headers,
        body: form.toString(),
        certificate: request.proof.certificate,
      });
      this.#nonce = answer.field('dpop-nonce') ?? this.#nonce;
      const refreshToken = readRefreshToken(answer);
      if (refreshToken !== undefined) await request.onRefreshToken?.(refreshToken);
      answered = readTokenAnswer(answer, {
        maxSize: request.maxSize,
        tokenTypes: this.#config.tokenTypes.map((type) => type.toLowerCase()),
        dpop: proof !== undefined,
        now: this.#clock.now(),
        grant: request.grant,
        scope: request.scope,
        onMissingScope: request.onMissingScope ?? 'warn',
        requestedTokenType: request.requestedTokenType,
        upstreamFrom: request.upstreamFrom,
        secrets: secretsOfRequest(form, headers),
      });
      return Response.json({ access_token: answered.accessToken, token_type: 'bearer' });
    };
    return { fetch, accepted: () => answered as TokenAnswer };
  }
}
