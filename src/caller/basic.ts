/** Basic credentials as RFC 7617 writes them: the value of one `Authorization` field, read strictly. */

export interface BasicCredentials {
  readonly username: string;
  readonly password: string;
}

/** Reads the credentials (RFC 7617 §2); `undefined` when they are malformed. */
export function parseBasic(authorization: string): BasicCredentials | undefined {
  const base64 = /^basic +([A-Za-z0-9+/]+)={0,2}$/i.exec(authorization)?.[1];
  if (base64 === undefined) return undefined;
  const bytes = Buffer.from(base64, 'base64');
  // Node skips what it cannot decode; only text that encodes back to itself was base64.
  if (bytes.toString('base64').replace(/=+$/, '') !== base64) return undefined;
  const text = decodeUtf8(bytes);
  const colon = text?.indexOf(':') ?? -1;
  // §2 forbids control characters; where a lenient server ends a name at one, two names would be the same account.
  if (text === undefined || colon < 1 || /\p{Cc}/u.test(text)) return undefined;
  return { username: text.slice(0, colon), password: text.slice(colon + 1) };
}

function decodeUtf8(bytes: Uint8Array): string | undefined {
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch {
    return undefined;
  }
}
