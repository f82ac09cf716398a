/** Keytabs as `ktutil` writes them, for tests that need nobody's real keys. */

/** @param principals `HTTP/host@REALM`; each with one key of AES-256 that is all zeros */
export function keytabOf(...principals: readonly string[]): Buffer {
  return Buffer.concat([Buffer.from([5, 2]), ...principals.map(entryOf)]);
}

/** What is left where an entry was removed. */
export function holeOf(size: number): Buffer {
  return Buffer.concat([int32(-size), Buffer.alloc(size)]);
}

function entryOf(principal: string): Buffer {
  const [name = '', realm = ''] = principal.split('@');
  const components = name.split('/');
  const entry = Buffer.concat([
    int16(components.length),
    counted(Buffer.from(realm)),
    ...components.map((component) => counted(Buffer.from(component))),
    int32(1),
    int32(0),
    Buffer.from([1]),
    int16(18),
    counted(Buffer.alloc(32)),
    int32(1),
  ]);
  return Buffer.concat([int32(entry.length), entry]);
}

function counted(bytes: Buffer): Buffer {
  return Buffer.concat([int16(bytes.length), bytes]);
}

function int16(value: number): Buffer {
  const bytes = Buffer.alloc(2);
  bytes.writeUInt16BE(value);
  return bytes;
}

function int32(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeInt32BE(value);
  return bytes;
}
