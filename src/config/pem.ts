/** Finds the blocks of a text of PEM (RFC 7468 §2). */

/** Those of one kind, in their order, each with its two lines around it. */
export function pemBlocks(text: string, label: 'CERTIFICATE' | 'X509 CRL'): string[] {
  return text.match(new RegExp(`-----BEGIN ${label}-----[^-]*-----END ${label}-----`, 'g')) ?? [];
}
