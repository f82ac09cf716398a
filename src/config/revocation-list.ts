/** From when until when a revocation list is the current one, walked to in its DER (RFC 5280 §5.1): Node reads no such list. */

/** Milliseconds since the epoch. */
export interface RevocationPeriod {
  readonly thisUpdateAt: number;
  /** Absent where the list names no end. */
  readonly nextUpdateAt?: number;
}

interface Element {
  readonly tag: number;
  readonly start: number;
  readonly end: number;
}

const INTEGER = 0x02;
const UTC_TIME = 0x17;
const GENERALIZED_TIME = 0x18;
const SEQUENCE = 0x30;

/** `undefined` where it is not as the section says. */
export function revocationPeriod(der: Buffer): RevocationPeriod | undefined {
  const [list] = elementsIn(der, 0, der.length, 1);
  const [signed] = list?.tag === SEQUENCE ? elementsIn(der, list.start, list.end, 1) : [];
  const fields = signed?.tag === SEQUENCE ? elementsIn(der, signed.start, signed.end, 5) : [];
  const [algorithm, issuer, thisUpdate, nextUpdate] = fields[0]?.tag === INTEGER ? fields.slice(1) : fields;
  if (algorithm?.tag !== SEQUENCE || issuer?.tag !== SEQUENCE) return undefined;
  const thisUpdateAt = instantOf(der, thisUpdate);
  if (thisUpdateAt === undefined || !isTime(nextUpdate)) return thisUpdateAt === undefined ? undefined : { thisUpdateAt };
  const nextUpdateAt = instantOf(der, nextUpdate);
  return nextUpdateAt === undefined ? undefined : { thisUpdateAt, nextUpdateAt };
}

/** The first of them (X.690 §8.1); none where one is not whole. */
function elementsIn(der: Buffer, from: number, end: number, most: number): Element[] {
  const elements: Element[] = [];
  for (let at = from; at < end && elements.length < most; at = elements.at(-1)?.end ?? end) {
    if (at + 2 > end) return [];
    const first = der.readUInt8(at + 1);
    const bytes = first < 0x80 ? 0 : first - 0x80;
    const start = at + 2 + bytes;
    // DER always says the length, and no file has a list of more than four bytes of it.
    if (first === 0x80 || bytes > 4 || start > end) return [];
    const length = bytes === 0 ? first : der.readUIntBE(at + 2, bytes);
    if (start + length > end) return [];
    elements.push({ tag: der.readUInt8(at), start, end: start + length });
  }
  return elements;
}

function isTime(element: Element | undefined): element is Element {
  return element?.tag === UTC_TIME || element?.tag === GENERALIZED_TIME;
}

/** RFC 5280 §5.1.2.4: in UTC, with seconds and without fractions; two digits of a year are those of 1950 to 2049. */
function instantOf(der: Buffer, element: Element | undefined): number | undefined {
  if (!isTime(element)) return undefined;
  const text = der.toString('latin1', element.start, element.end);
  const century = element.tag === GENERALIZED_TIME ? '' : text < '50' ? '20' : '19';
  const iso = `${century}${text}`.replace(/^(\d{4})(\d\d)(\d\d)(\d\d)(\d\d)(\d\d)Z$/, '$1-$2-$3T$4:$5:$6.000Z');
  const at = Date.parse(iso);
  // The 30th of February is none, and Date would take it for a day in March.
  return Number.isFinite(at) && new Date(at).toISOString() === iso ? at : undefined;
}
