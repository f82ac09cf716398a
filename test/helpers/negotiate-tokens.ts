/** Tokens of the Negotiate scheme, built byte by byte: right in form, of nobody. */

export const OID = {
  spnego: '2b0601050502',
  kerberos: '2a864886f712010202',
  kerberosOfWindows: '2a864882f712010202',
  negoEx: '2b06010401823702021e',
  ntlm: '2b06010401823702020a',
  iakerb: '2b0601050205',
} as const;

/** DER: a tag, the length, the content. */
export function der(tag: number, ...content: readonly Uint8Array[]): Buffer {
  const bytes = Buffer.concat(content);
  const length = bytes.length < 0x80 ? [bytes.length] : [0x82, bytes.length >> 8, bytes.length & 0xff];
  return Buffer.concat([Buffer.from([tag, ...length]), bytes]);
}

export function oid(hex: string): Buffer {
  return der(0x06, Buffer.from(hex, 'hex'));
}

/** As RFC 2743 §3.1 frames a first token. */
export function framed(mechanism: string, inner: Uint8Array): Buffer {
  return der(0x60, oid(mechanism), inner);
}

/** A token of Kerberos with a request that nobody made. */
export const KERBEROS_TOKEN = framed(OID.kerberos, Buffer.concat([Buffer.from([1, 0]), der(0x6e, Buffer.from('no ticket at all'))]));

/** The message of type 1 with which NTLM begins. */
export const NTLM_TOKEN = Buffer.from('NTLMSSP\0\x01\0\0\0\x07\x82\x08\xa2', 'latin1');

/** An offer of mechanisms, and the first token of the first of them (RFC 4178 §4.2.1). */
export function offer(mechanisms: readonly string[], token?: Uint8Array): Buffer {
  const list = der(0xa0, der(0x30, ...mechanisms.map(oid)));
  const first = token === undefined ? [] : [der(0xa2, der(0x04, token))];
  return framed(OID.spnego, der(0xa0, der(0x30, list, ...first)));
}

export function negotiate(token: Uint8Array): string {
  return `Negotiate ${Buffer.from(token).toString('base64')}`;
}
