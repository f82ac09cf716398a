/** A client that has enrolled itself (RFC 7591): registered once, kept in a file, registered anew when the server or its secret ends it. */

import { createPublicKey, hash } from 'node:crypto';
import type { ClientProof, UnprovenRequest } from '../../authorization-server/client-proof.ts';
import { AuthorizationServerError } from '../../authorization-server/failure.ts';
import type { Registered } from '../../authorization-server/registration.ts';
import type { Clock } from '../../clock.ts';
import type { RegistrationConfig } from '../../config/schema/registration.ts';
import type { TokenConfig } from '../../config/schema/tokens.ts';
import { Secret } from '../../config/secret.ts';
import type { RegistrationObserver, RegistrationReason } from '../observer.ts';
import { SealedFile } from '../sealed-file.ts';
import { algorithmFor } from './private-key-jwt.ts';

/** A secret that ends within the time of one token request is of no use for it. */
const SECRET_MARGIN_MS = 60_000;

/** Between two registrations because the server refused a client: each leaves one behind there. */
const FIRST_PAUSE_MS = 60_000;
const LONGEST_PAUSE_MS = 3_600_000;

const GRANT_TYPES: Record<TokenConfig['grant'], string> = {
  client_credentials: 'client_credentials',
  password: 'password',
  refresh_token: 'refresh_token',
  token_exchange: 'urn:ietf:params:oauth:grant-type:token-exchange',
  jwt_bearer: 'urn:ietf:params:oauth:grant-type:jwt-bearer',
  saml2_bearer: 'urn:ietf:params:oauth:grant-type:saml2-bearer',
};

type Register = NonNullable<UnprovenRequest['register']>;

interface Kept extends Registered {
  /** Digest of what was registered, and where: another wish needs another registration. */
  readonly of: string;
}

export interface RegisteredClientParts {
  readonly config: TokenConfig;
  readonly registration: RegistrationConfig;
  /** The proof of a client that is registered. */
  readonly proofOf: (clientId: string, authentication: TokenConfig['clientAuthentication']) => ClientProof;
  readonly observer: RegistrationObserver;
  readonly clock: Clock;
}

export class RegisteredClient implements ClientProof {
  readonly #parts: RegisteredClientParts;
  readonly #file: SealedFile;
  #kept: Kept | undefined;
  #isRefused = false;
  #finding: Promise<Kept> | undefined;
  #pauseMs = FIRST_PAUSE_MS;
  #registeredAgainAt = Number.NEGATIVE_INFINITY;

  constructor(parts: RegisteredClientParts) {
    this.#parts = parts;
    const { persist, persistKey } = parts.registration;
    this.#file = new SealedFile(persist, persistKey, 'client-registration');
  }

  async write(request: UnprovenRequest): Promise<void> {
    await this.once().write(request);
  }

  once(): ClientProof {
    let shown: Kept | undefined;
    return {
      write: async (request) => {
        const { register } = request;
        if (register === undefined) return this.#prove(await this.#known(), request);
        shown = await this.#current(request, register);
        await this.#prove(shown, request);
      },
      // Who gives a token back has no other client made for it.
      refused: () => shown !== undefined && this.#refused(shown),
    };
  }

  async #prove({ clientId, secret }: Kept, request: UnprovenRequest): Promise<void> {
    const { clientAuthentication: authentication } = this.#parts.registration;
    const whole =
      authentication.method === 'private_key_jwt'
        ? authentication
        : { ...authentication, secret: [new Secret({ unsafeInline: secret as string })] };
    await this.#parts.proofOf(clientId, whole).write({ ...request, clientId });
  }

  /** The server may have lost the client: one more registration, and then none for a minute, doubling to an hour. */
  #refused(shown: Kept): boolean {
    // Another request of the same time has seen to it.
    if (this.#isRefused || shown.clientId !== this.#kept?.clientId || shown.secret !== this.#kept?.secret) return true;
    const now = this.#parts.clock.monotonic();
    if (now < this.#registeredAgainAt) return false;
    this.#registeredAgainAt = now + this.#pauseMs;
    this.#pauseMs = Math.min(this.#pauseMs * 2, LONGEST_PAUSE_MS);
    this.#isRefused = true;
    return true;
  }

  /** Requests for many callers may need it at once: one of them registers, for all. */
  #current(request: UnprovenRequest, register: Register): Promise<Kept> {
    this.#finding ??= this.#find(request, register).finally(() => {
      this.#finding = undefined;
    });
    return this.#finding;
  }

  /** The client that obtained the token. */
  async #known(): Promise<Kept> {
    this.#kept ??= await this.#read();
    if (this.#kept === undefined) throw new AuthorizationServerError('permanent', 'client_not_registered');
    return this.#kept;
  }

  async #find(request: UnprovenRequest, register: Register): Promise<Kept> {
    const metadata = metadataOf(this.#parts);
    const of = hash('sha256', JSON.stringify([request.issuer ?? request.tokenEndpoint, metadata]));
    this.#kept ??= await this.#read();
    const reason = this.#whyAnew(of);
    if (reason === undefined) return this.#kept as Kept;
    const { initialAccessToken } = this.#parts.registration;
    const registered = await register({ metadata, initialAccessToken: initialAccessToken?.reveal() });
    this.#kept = { ...registered, of };
    this.#isRefused = false;
    await this.#write(this.#kept);
    this.#parts.observer.registered(registered.clientId, reason);
    return this.#kept;
  }

  #whyAnew(of: string): RegistrationReason | undefined {
    if (this.#kept === undefined) return 'none kept';
    if (this.#kept.of !== of) return 'config changed';
    if (this.#isRefused) return 'refused';
    const { expiresAt = Number.POSITIVE_INFINITY } = this.#kept;
    return expiresAt - this.#parts.clock.now() < SECRET_MARGIN_MS ? 'secret ended' : undefined;
  }

  async #read(): Promise<Kept | undefined> {
    const content = await this.#file.read();
    if (content === undefined) return undefined;
    // Whatever the key has sealed under this name, this class has written.
    if ('text' in content) return JSON.parse(content.text) as Kept;
    this.#parts.observer.registrationUnreadable(content.fault);
    return undefined;
  }

  async #write(kept: Kept): Promise<void> {
    try {
      await this.#file.write(JSON.stringify(kept));
    } catch (error) {
      this.#parts.observer.registrationNotPersisted(error);
    }
  }
}

function metadataOf({ config, registration }: RegisteredClientParts): Record<string, unknown> {
  const usual = {
    client_name: 'token-broker-sidecar',
    grant_types: [GRANT_TYPES[config.grant]],
    redirect_uris: [],
    response_types: [],
    ...(config.scope === undefined ? {} : { scope: config.scope }),
  };
  const wanted = { ...usual, ...registration.metadata, ...proofMetadata(registration.clientAuthentication) };
  return Object.fromEntries(Object.entries(wanted).filter(([, value]) => value !== null));
}

function proofMetadata(authentication: RegistrationConfig['clientAuthentication']): Record<string, unknown> {
  const method = { token_endpoint_auth_method: authentication.method };
  switch (authentication.method) {
    case 'client_secret_basic':
    case 'client_secret_post':
      return method;
    case 'client_secret_jwt':
      return { ...method, token_endpoint_auth_signing_alg: authentication.alg };
    case 'private_key_jwt': {
      const key = authentication.key.reveal();
      const alg = algorithmFor(key, authentication.alg);
      const kid = authentication.kid === undefined ? {} : { kid: authentication.kid.reveal() };
      const jwk = { ...createPublicKey(key).export({ format: 'jwk' }), alg, use: 'sig', ...kid };
      return { ...method, token_endpoint_auth_signing_alg: alg, jwks: { keys: [jwk] } };
    }
  }
}
