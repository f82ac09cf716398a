/** What the authorization server asks of a key that its tokens are bound to. */

/** A key of ours; every request proves that we hold it (RFC 9449 §4). */
export interface ProofKey {
  /**
   * A proof for one request, as the `DPoP` field holds it.
   *
   * @param url its query and fragment do not count
   * @param nonce what the other side gave us to put in
   */
  proof(method: string, url: string, nonce: string | undefined): string;
}
