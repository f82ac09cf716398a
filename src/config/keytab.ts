/** A keytab: the file with the keys of Kerberos principals that are ours. The Kerberos library reads it by itself; here it is named and judged. */

import { NamedFile } from './named-file.ts';

/** Its principals are known once the config is loaded. */
export class Keytab extends NamedFile {
  #principals: readonly string[] | undefined;

  /** Whose keys were in it when the config was loaded, as `NAME@REALM`. */
  get principals(): readonly string[] | undefined {
    return this.#principals;
  }

  /** For the loader. */
  hold(principals: readonly string[]): void {
    this.#principals = principals;
  }

  /** Has the Kerberos library read this one from now on: it knows no other way to be told, and asks anew for each ticket. */
  select(): void {
    const name = `FILE:${this.path}`;
    if (process.env['KRB5_KTNAME'] !== name) process.env['KRB5_KTNAME'] = name;
  }
}

/** What begins each file of the only format that is still written: a mark, and version 2. */
const BEGINNING = 0x0502;

/** The principals in the order of the file, each once; `undefined` where it is no keytab, or not a whole one. */
export function readPrincipals(file: Buffer): string[] | undefined {
  if (file.length < 2 || file.readUInt16BE(0) !== BEGINNING) return undefined;
  const principals = new Set<string>();
  try {
    for (let at = 2; at + 4 <= file.length; ) {
      const size = file.readInt32BE(at);
      if (size === 0) break;
      // A negative size is that of a hole, where an entry was removed.
      if (size > 0) principals.add(principalOf(new Entry(file.subarray(at + 4, at + 4 + size))));
      at += 4 + Math.abs(size);
    }
  } catch (error) {
    if (error instanceof RangeError) return undefined;
    throw error;
  }
  return [...principals];
}

/** Reading beyond its end throws a `RangeError`. */
class Entry {
  readonly #bytes: Buffer;
  #at = 0;

  constructor(bytes: Buffer) {
    this.#bytes = bytes;
  }

  number(): number {
    this.#at += 2;
    return this.#bytes.readUInt16BE(this.#at - 2);
  }

  text(): string {
    const length = this.number();
    this.#at += length;
    if (this.#at > this.#bytes.length) throw new RangeError('the entry ends before its text');
    return this.#bytes.toString('utf8', this.#at - length, this.#at);
  }
}

/** As the library writes it: what separates the parts of a name is escaped within them. */
function principalOf(entry: Entry): string {
  const count = entry.number();
  const realm = entry.text();
  const parts = Array.from({ length: count }, () => entry.text().replace(/[\\/@]/g, '\\$&'));
  return `${parts.join('/')}@${realm}`;
}
