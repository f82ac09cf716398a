/** Which of a client's secrets to use: during a rotation servers accept the old one, the new one, or both. */

import type { ClientProof } from '../../authorization-server/client-proof.ts';
import { toAuthorizationServerError } from '../../authorization-server/failure.ts';
import type { GrantObserver } from '../observer.ts';

/** Tries each proof at most once for a grant, beginning with the one that was not refused last. */
export class SecretRotation {
  readonly #proofs: readonly ClientProof[];
  readonly #changed: GrantObserver['secretChanged'];
  #first = 0;
  #accepted = 0;

  /** @param changed told once whenever another proof is accepted than before */
  constructor(proofs: readonly ClientProof[], changed: GrantObserver['secretChanged']) {
    this.#proofs = proofs;
    this.#changed = changed;
  }

  /** Rejects with the last refusal when all are refused, and at once with any other failure. */
  async run<T>(send: (proof: ClientProof) => Promise<T>): Promise<T> {
    for (let left = this.#proofs.length; ; left -= 1) {
      try {
        const answer = await send(this.#proofs[this.#first] as ClientProof);
        if (this.#accepted !== this.#first) this.#changed(this.#first + 1, this.#proofs.length);
        this.#accepted = this.#first;
        return answer;
      } catch (error) {
        const failure = toAuthorizationServerError(error);
        // Moving on even after the last one: the next grant then begins where this one did.
        if (failure.clientRefused) this.#first = (this.#first + 1) % this.#proofs.length;
        if (!failure.clientRefused || left === 1) throw failure;
      }
    }
  }
}
