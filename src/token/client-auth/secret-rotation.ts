/** Which of a client's secrets to use: during a rotation servers accept the old one, the new one, or both. */

import type { ClientProof } from '../../authorization-server/client-proof.ts';
import { toAuthorizationServerError } from '../../authorization-server/failure.ts';
import type { GrantObserver } from '../observer.ts';

/** How the resource owner's credentials stand, where the request has any. */
export interface OwnerStanding {
  /** The server has taken them before: a refusal may well be about the proof. */
  readonly ownerAccepted?: boolean;
  /** Whether they may go out once more, with another proof, although they may be what was refused: their account must bear it. */
  readonly mayRepeat?: () => boolean;
}

/** Tries each proof at most once for a grant, beginning with the one that was not refused last. */
export class SecretRotation {
  readonly #proofs: readonly ClientProof[];
  readonly #changed: GrantObserver['secretChanged'];
  #first = 0;
  #accepted: number | undefined;

  /** @param changed told once whenever another proof is accepted than before */
  constructor(proofs: readonly ClientProof[], changed: GrantObserver['secretChanged']) {
    this.#proofs = proofs;
    this.#changed = changed;
  }

  /** Rejects with the last refusal when all are refused, and at once with any other failure. May run for several grants at once. */
  async run<T>(send: (proof: ClientProof) => Promise<T>, owner: OwnerStanding = {}): Promise<T> {
    const count = this.#proofs.length;
    const first = this.#first;
    for (let tried = 1; ; ) {
      const index = (first + tried - 1) % count;
      const listed = this.#proofs[index] as ClientProof;
      const proof = listed.once?.() ?? listed;
      try {
        const answer = await send(proof);
        if ((this.#accepted ?? 0) !== index) this.#changed(index + 1, count);
        this.#accepted = index;
        return answer;
      } catch (error) {
        const failure = toAuthorizationServerError(error);
        if (!failure.clientRefused) throw failure;
        // Else whoever guesses a password could have a good proof put aside.
        if (failure.resourceOwnerInDoubt && this.#accepted === index && !owner.ownerAccepted) throw failure;
        const isReplaced = proof.refused?.() ?? false;
        // Moving on even after the last one: the next grant then begins where this one did. Another grant may have moved on already.
        if (this.#first === index) this.#first = (index + 1) % count;
        if (!isReplaced && tried === count) throw failure;
        // What may have been a wrong password goes out again only where no proof is known to be good: accounts are locked by less.
        if (failure.resourceOwnerInDoubt && (this.#accepted !== undefined || !owner.mayRepeat?.())) throw failure;
        if (!isReplaced) tried += 1;
      }
    }
  }
}
