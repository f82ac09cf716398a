/** What an authorization server said, made fit for the log: servers echo what they were sent. */

/** Form fields whose values may stand in the log. */
const PUBLIC_FIELDS = new Set(['grant_type', 'scope', 'audience', 'resource', 'client_id', 'client_assertion_type']);

/** Ours, with values that everybody knows; all others are of the config, or prove something. */
const PUBLIC_HEADERS = new Set(['accept', 'content-type', 'user-agent']);

/** Shorter text would be found by chance, and cutting it out would make the rest unreadable. */
const SHORTEST_SECRET = 4;

/** All that a request and an answer of a server in its senses hold is a tenth of it, and who repeats thousands would hold us up. */
const MOST_SECRETS = 200;

/** Characters that are looked at: some 20 ms. A long description and all that disguises the secrets of its request take a hundredth of it. */
const MOST_STEPS = 4_000_000;

const MASK = '[secret]';

/** Everything in a token request that must not come back in the log. */
export function secretsOfRequest(form: URLSearchParams, headers: Readonly<Record<string, string>>): string[] {
  const secrets = [...form].filter(([name]) => !PUBLIC_FIELDS.has(name)).flatMap(([, value]) => [value, ...partsOfJwt(value)]);
  // A SAML assertion is sent encoded; a server may show it as it was before.
  for (const assertion of form.getAll('assertion')) secrets.push(Buffer.from(assertion, 'base64url').toString());
  for (const [name, value] of Object.entries(headers)) if (!PUBLIC_HEADERS.has(name)) secrets.push(value);
  const credentials = headers['authorization']?.split(' ')[1];
  if (credentials !== undefined) {
    const decoded = Buffer.from(credentials, 'base64').toString();
    const encodedSecret = decoded.slice(decoded.indexOf(':') + 1);
    secrets.push(credentials, encodedSecret, formDecode(encodedSecret));
  }
  return secrets;
}

/**
 * `error` and `error_description` on one line of at most 300 visible characters, without the given secrets and without any other value
 * of the answer: a token beside an error is one. `undefined` when the server said nothing.
 */
export function whatWasSaid(json: Readonly<Record<string, unknown>>, requestSecrets: readonly string[]): string | undefined {
  const { error, error_description: description, ...others } = json;
  const parts = [error, description].filter((part) => typeof part === 'string');
  if (parts.length === 0) return undefined;
  return onOneLine(masked(parts.join(': '), [...requestSecrets, ...textsOf(others)]));
}

/** Text of another party as it may stand in a line of the log. */
export function onOneLine(text: string): string {
  return text.replace(/[^\x20-\x7e]+/g, ' ').slice(0, 300);
}

/** What makes up a JWT, where a value is one: a server may show it taken apart. */
function partsOfJwt(value: string): string[] {
  if (!/^[\w-]+\.[\w-]+\.[\w-]+$/.test(value)) return [];
  const [header = '', claims = '', signature = ''] = value.split('.');
  return [`${header}.${claims}`, claims, signature, Buffer.from(claims, 'base64url').toString()];
}

/** The values of an answer that are texts. */
export function textsOf(json: Readonly<Record<string, unknown>>): string[] {
  return Object.values(json).filter((value) => typeof value === 'string');
}

/** The text without the secrets, in whatever disguise; nothing of it where there are more than can be looked for. */
export function masked(text: string, secrets: readonly string[]): string {
  const wanted = new Set(secrets.filter((secret) => secret.length >= SHORTEST_SECRET));
  if (wanted.size > MOST_SECRETS) return MASK;
  const disguised = [...new Set([...wanted].flatMap(disguises))].filter((secret) => secret.length <= text.length);
  const steps = disguised.reduce((sum, secret) => sum + secret.length + text.length, 0);
  if (steps > MOST_STEPS) return MASK;
  const isHidden = new Uint8Array(text.length);
  // On the text as it came: what stands in the place of one secret could hold another, and so on without end.
  for (const secret of disguised) hide(secret, text, isHidden);
  return withoutHidden(text, isHidden);
}

/** By Knuth, Morris and Pratt: `indexOf` compares most of a secret at each character of a text that was made for it. */
function hide(secret: string, text: string, isHidden: Uint8Array): void {
  const borders = bordersOf(secret);
  let hiddenTo = 0;
  let matched = 0;
  for (let at = 0; at < text.length; at += 1) {
    matched = matchedWith(text.charCodeAt(at), secret, matched, borders);
    if (matched < secret.length) continue;
    isHidden.fill(1, Math.max(hiddenTo, at + 1 - matched), at + 1);
    hiddenTo = at + 1;
    matched = borders[matched] as number;
  }
}

/** How much of the beginning of a text is its end too, by how much of the text there is. */
function bordersOf(text: string): Uint32Array {
  const borders = new Uint32Array(text.length + 1);
  for (let at = 1; at < text.length; at += 1) borders[at + 1] = matchedWith(text.charCodeAt(at), text, borders[at] as number, borders);
  return borders;
}

/** How much of the beginning is matched with one character more. */
function matchedWith(char: number, beginning: string, before: number, borders: Uint32Array): number {
  let matched = before;
  while (matched > 0 && beginning.charCodeAt(matched) !== char) matched = borders[matched] as number;
  return beginning.charCodeAt(matched) === char ? matched + 1 : 0;
}

function withoutHidden(text: string, isHidden: Uint8Array): string {
  let shown = '';
  let at = 0;
  while (at < text.length) {
    const changesAt = isHidden.indexOf(1 - (isHidden[at] as number), at);
    const end = changesAt === -1 ? text.length : changesAt;
    shown += isHidden[at] === 1 ? MASK : text.slice(at, end);
    at = end;
  }
  return shown;
}

/** What servers, and the frameworks beneath them, make of a text before they show it. */
function disguises(secret: string): string[] {
  const encoded = [new URLSearchParams([['', secret]]).toString().slice(1), encodeURIComponent(secret)];
  const json = JSON.stringify(secret).slice(1, -1);
  const asciiJson = json.replace(/[^\x20-\x7e]/g, (char) => `\\u${char.charCodeAt(0).toString(16).padStart(4, '0')}`);
  const html = escaped(secret, { '&': '&amp;', '<': '&lt;', '>': '&gt;' });
  const quotes = ['&#39;', '&#x27;', '&#039;', '&apos;'].map((apostrophe) => escaped(html, { '"': '&quot;', "'": apostrophe }));
  const base64 = Buffer.from(secret).toString('base64');
  return [
    secret,
    ...encoded,
    ...encoded.map((text) => text.replace(/%../g, (code) => code.toLowerCase())),
    json,
    asciiJson,
    // PHP.
    asciiJson.replaceAll('/', '\\/'),
    html,
    ...quotes,
    base64,
    base64.replace(/=+$/, ''),
    Buffer.from(secret).toString('base64url'),
  ];
}

function escaped(text: string, entities: Readonly<Record<string, string>>): string {
  return text.replace(/[&<>"']/g, (char) => entities[char] ?? char);
}

function formDecode(value: string): string {
  return new URLSearchParams(`x=${value}`).get('x') ?? '';
}
