/** The server's metadata document: discovered once, kept, and read again in the background. */

import type * as oauth from 'openid-client';
import type { Clock } from '../clock.ts';
import type { AuthorizationServerConfig } from '../config/schema/authorization-servers.ts';
import type { AuthorizationServerCalls } from './call.ts';
import { discover, isAcceptableUrl } from './discovery.ts';
import { AuthorizationServerError, toAuthorizationServerError } from './failure.ts';
import { FetchedDocument } from './fetched-document.ts';

/** Endpoints besides that for tokens: their names in RFC 8414 §2, and in the config. */
const OTHER_ENDPOINTS = { revocation_endpoint: 'revocationEndpoint', registration_endpoint: 'registrationEndpoint' } as const;

type OtherEndpoints = { readonly [Name in keyof typeof OTHER_ENDPOINTS]?: string };

export interface Metadata extends OtherEndpoints {
  readonly issuer: string;
  readonly token_endpoint: string;
  /** For clients that prove themselves by a certificate (RFC 8705 §5). */
  readonly mtls_endpoint_aliases: OtherEndpoints & { readonly token_endpoint?: string };
  /** As the document lists them, where it does: text of another party. */
  readonly lists: { readonly [Name in (typeof LISTS)[number]]?: readonly string[] };
}

const LISTS = ['token_endpoint_auth_methods_supported', 'grant_types_supported', 'scopes_supported'] as const;

export interface MetadataStatus {
  /** Milliseconds since the kept document was read; `undefined` while there is none. */
  readonly ageMs: number | undefined;
  /** The last try to read it failed. */
  readonly failing: boolean;
}

export class MetadataDocument {
  readonly #config: AuthorizationServerConfig;
  readonly #calls: AuthorizationServerCalls;
  readonly #clock: Clock;
  readonly #document: FetchedDocument<Metadata>;

  constructor(config: AuthorizationServerConfig, calls: AuthorizationServerCalls, clock: Clock) {
    this.#config = config;
    this.#calls = calls;
    this.#clock = clock;
    this.#document = new FetchedDocument(() => this.#discover().catch(undiscovered), config.metadataMaxAge, clock);
  }

  /** Where token requests go, once that is known. */
  get tokenEndpoint(): string | undefined {
    return this.#config.tokenEndpoint ?? this.#document.reads.kept?.token_endpoint;
  }

  /** `undefined` where the config names the endpoint, and nothing is read. */
  status(): MetadataStatus | undefined {
    if (this.#config.tokenEndpoint !== undefined) return undefined;
    const { keptAt, failure } = this.#document.reads;
    return { ageMs: keptAt && this.#clock.monotonic() - keptAt, failing: failure !== undefined };
  }

  /** The kept document at once, else the first read, shared by all who wait. Rejects with a transient failure. */
  async get(): Promise<Metadata> {
    const { tokenEndpoint, issuer } = this.#config;
    if (tokenEndpoint !== undefined) return this.#complete({}, issuer ?? new URL(tokenEndpoint).origin, tokenEndpoint);
    return this.#document.current() ?? this.#document.read();
  }

  async #discover(): Promise<Metadata> {
    const { metadataUrl } = this.#config;
    const issuer = this.#config.issuer as string;
    const metadata = await discover({ issuer, metadataUrl, calls: this.#calls });
    return this.#complete(metadata, issuer, this.#checkEndpoint(metadata.token_endpoint));
  }

  #complete(document: oauth.ServerMetadata | Record<string, never>, issuer: string, token_endpoint: string): Metadata {
    const { mtls_endpoint_aliases: aliases = {} } = document;
    const token = aliases.token_endpoint === undefined ? {} : { token_endpoint: this.#checkEndpoint(aliases.token_endpoint) };
    return {
      ...this.#others(document),
      issuer,
      token_endpoint,
      mtls_endpoint_aliases: { ...this.#others(aliases), ...token },
      lists: Object.fromEntries(LISTS.flatMap((name) => (isList(document[name]) ? [[name, document[name]]] : []))),
    };
  }

  /** What the config names wins, over aliases too; one that a document names and that is not acceptable counts as missing. */
  #others(document: { readonly [Name in keyof OtherEndpoints]?: unknown }): OtherEndpoints {
    const found = Object.entries(OTHER_ENDPOINTS).map(([name, key]) => {
      const named = document[name as keyof OtherEndpoints];
      return [name, this.#config[key] ?? (this.#isAcceptable(named) ? named : undefined)];
    });
    return Object.fromEntries(found.filter(([, endpoint]) => endpoint !== undefined)) as OtherEndpoints;
  }

  #checkEndpoint(endpoint: string | undefined): string {
    if (endpoint === undefined || !URL.canParse(endpoint)) throw new AuthorizationServerError('transient', 'token_endpoint_missing');
    if (!this.#isAcceptable(endpoint)) throw new AuthorizationServerError('transient', 'token_endpoint_insecure');
    return endpoint;
  }

  #isAcceptable(endpoint: unknown): endpoint is string {
    const { metadataUrl, issuer, unsafeHttp } = this.#config;
    return isAcceptableUrl(endpoint, { url: metadataUrl ?? (issuer as string), unsafeHttp });
  }
}

function undiscovered(cause: unknown): never {
  const { reason, retryAfterMs, said } = toAuthorizationServerError(cause);
  throw new AuthorizationServerError('transient', `discovery_${reason}`, { cause, retryAfterMs, said });
}

function isList(value: unknown): value is string[] {
  return Array.isArray(value) && value.every((item) => typeof item === 'string');
}
