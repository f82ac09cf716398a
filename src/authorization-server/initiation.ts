/** A request that some servers, or what stands in front of them, want before the first token request. */

import type { Clock } from '../clock.ts';
import type { AuthorizationServerConfig } from '../config/schema/authorization-servers.ts';
import type { AuthorizationServerCalls } from './call.ts';
import { AuthorizationServerError, toAuthorizationServerError } from './failure.ts';
import { retryAfterMs } from './retry-after.ts';

type InitiationConfig = NonNullable<AuthorizationServerConfig['initiation']>;

/** Made once; made again when something has failed since, for the server may have forgotten it. */
export class Initiation {
  readonly #config: InitiationConfig | undefined;
  readonly #calls: AuthorizationServerCalls;
  readonly #clock: Clock;
  #made: Promise<void> | undefined;

  constructor(config: InitiationConfig | undefined, calls: AuthorizationServerCalls, clock: Clock) {
    this.#config = config;
    this.#calls = calls;
    this.#clock = clock;
  }

  /** Resolves once the server has answered 2xx. Rejects with a transient failure for all who wait; then the next need tries again. */
  async done(): Promise<void> {
    if (this.#config === undefined) return;
    this.#made ??= this.#make(this.#config);
    try {
      await this.#made;
    } catch (error) {
      this.again();
      throw error;
    }
  }

  /** The next need begins with it. */
  again(): void {
    this.#made = undefined;
  }

  async #make({ method, url, headers, body }: InitiationConfig): Promise<void> {
    try {
      const fields = Object.fromEntries(Object.entries(headers).map(([name, value]) => [name, value.reveal()]));
      const answer = await this.#calls.call({ method, url, headers: fields, body: body?.reveal() });
      if (answer.status >= 200 && answer.status < 300) return;
      const patience = retryAfterMs(answer.field('retry-after'), this.#clock.now());
      throw new AuthorizationServerError('transient', `http_${answer.status}`, { retryAfterMs: patience });
    } catch (cause) {
      const failure = toAuthorizationServerError(cause);
      throw new AuthorizationServerError('transient', `initiation_${failure.reason}`, { cause, retryAfterMs: failure.retryAfterMs });
    }
  }
}
