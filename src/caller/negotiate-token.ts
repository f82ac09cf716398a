/** Tokens of the Negotiate scheme (RFC 4559) as callers send them, looked at before the Kerberos library sees any: it is C, and reads what nobody has proven. */

/** Why the library is not shown a token. */
export type NegotiateTokenFault = 'malformed' | 'too_large' | 'ntlm' | 'not_kerberos';

/** In base64, as one text for each sequence of bytes. */
export type ReadToken = { readonly token: string } | { readonly fault: NegotiateTokenFault };

/** Windows makes none that is longer: 65,535 is the most that its MaxTokenSize can be. */
const MAX_TOKEN = 64 * 1024;

/** Object identifiers of mechanisms, as DER has their contents. */
const SPNEGO = '2b0601050502';
const KERBEROS = '2a864886f712010202';
/** What Windows calls it first: the same, with a number cut to 16 bits by a mistake of old that all understand. */
const KERBEROS_OF_WINDOWS = '2a864882f712010202';
const NTLM = '2b06010401823702020a';
const NTLM_BEGINNING = 'NTLMSSP\0';

/**
 * Takes a token of Kerberos, bare or as the first choice of SPNEGO (RFC 4178 §4.2.1): what one leg can settle. Everything else
 * would need more legs, which are those of a connection and not of a request.
 */
export function readNegotiateToken(authorization: string): ReadToken {
  const base64 = /^negotiate +([A-Za-z0-9+/]+={0,2})$/i.exec(authorization)?.[1];
  if (base64 === undefined) return { fault: 'malformed' };
  if (base64.length > (MAX_TOKEN * 4) / 3) return { fault: 'too_large' };
  const bytes = Buffer.from(base64, 'base64');
  const fault = faultOf(bytes);
  return fault === undefined ? { token: bytes.toString('base64') } : { fault };
}

function faultOf(bytes: Buffer): NegotiateTokenFault | undefined {
  if (isNtlm(bytes)) return 'ntlm';
  const framed = readFrame(bytes);
  if (framed === undefined) return 'malformed';
  const { mechanism, inner } = framed;
  if (mechanism === KERBEROS) return undefined;
  return mechanism === SPNEGO ? faultOfOffer(inner) : 'not_kerberos';
}

/** What the first mechanism of the list begins with stands beside the list: no other can be chosen without another leg. */
function faultOfOffer(inner: Buffer): NegotiateTokenFault | undefined {
  const offer = readElement(inner, 0xa0);
  const fields = offer && readElement(offer.content, 0x30)?.content;
  if (fields === undefined) return 'malformed';
  const first = firstMechanism(fields);
  const token = mechanismToken(fields);
  if (first === NTLM || (token !== undefined && isNtlm(token))) return 'ntlm';
  if ((first !== KERBEROS && first !== KERBEROS_OF_WINDOWS) || token === undefined) return 'not_kerberos';
  return readFrame(token)?.mechanism === KERBEROS ? undefined : 'not_kerberos';
}

function isNtlm(bytes: Buffer): boolean {
  return bytes.toString('latin1', 0, NTLM_BEGINNING.length) === NTLM_BEGINNING;
}

/** RFC 2743 §3.1: which mechanism a token is of. Nothing may stand behind it. */
function readFrame(bytes: Buffer): { readonly mechanism: string; readonly inner: Buffer } | undefined {
  const frame = readElement(bytes, 0x60);
  const mechanism = frame && readElement(frame.content, 0x06);
  if (frame === undefined || mechanism === undefined || frame.rest.length > 0) return undefined;
  return { mechanism: mechanism.content.toString('hex'), inner: mechanism.rest };
}

function firstMechanism(fields: Buffer): string | undefined {
  const list = field(fields, 0xa0);
  const mechanisms = list && readElement(list, 0x30);
  return mechanisms && readElement(mechanisms.content, 0x06)?.content.toString('hex');
}

function mechanismToken(fields: Buffer): Buffer | undefined {
  const token = field(fields, 0xa2);
  return token && readElement(token, 0x04)?.content;
}

/** The content of the field with that tag. */
function field(fields: Buffer, tag: number): Buffer | undefined {
  for (let rest = fields; rest.length > 0; ) {
    const element = readElement(rest, rest[0] as number);
    if (element === undefined) return undefined;
    if (rest[0] === tag) return element.content;
    rest = element.rest;
  }
  return undefined;
}

interface Element {
  readonly content: Buffer;
  /** What stands behind it. */
  readonly rest: Buffer;
}

/** More bytes of a length would be those of a token that is too large anyway. */
const MOST_LENGTH_BYTES = 4;

/** An element of DER with a tag of one byte (X.690 §8.1); `undefined` where there is another, or not the whole of it. */
function readElement(bytes: Buffer, tag: number): Element | undefined {
  const [found, short = 0x80] = bytes;
  const lengthBytes = short < 0x80 ? 0 : short & 0x7f;
  const start = 2 + lengthBytes;
  if (found !== tag || short === 0x80 || lengthBytes > MOST_LENGTH_BYTES || bytes.length < start) return undefined;
  const end = start + (lengthBytes === 0 ? short : bytes.readUIntBE(2, lengthBytes));
  return end > bytes.length ? undefined : { content: bytes.subarray(start, end), rest: bytes.subarray(end) };
}
