/** What the authorization server asks of a client authentication method. */

import type { ClientCertificate } from './client-certificate.ts';
import type { Registered, RegistrationRequest } from './registration.ts';

/** A token request that says nothing yet of who sends it. */
export interface UnprovenRequest {
  readonly clientId: string;
  readonly form: URLSearchParams;
  readonly headers: Headers;
  /** As the config knows it; `undefined` where only the token endpoint is known. */
  readonly issuer: string | undefined;
  readonly tokenEndpoint: string;
  /** Makes a new client at the server; absent where a request needs one that is there. Rejects with `AuthorizationServerError`. */
  readonly register?: (request: RegistrationRequest) => Promise<Registered>;
}

/** One way for a client to prove that it is that client (RFC 6749 §2.3). */
export interface ClientProof {
  /** Puts the proof on a request. Called anew for each, retries included; reads secrets at that moment. */
  write(request: UnprovenRequest): void | Promise<void>;
  /** For one request alone, and its retries: so `refused` knows what it had shown. */
  once?(): ClientProof;
  /** The server refused the proof. Whether what `write` shows next is worth another try. */
  refused?(): boolean;
  /** What the TLS connection shows: a proof (RFC 8705 §2), or what the token is bound to (§3). */
  readonly certificate?: ClientCertificate;
}
