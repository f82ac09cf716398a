/** Reads small files, and says in words why one cannot be read. */

import type { BigIntStats } from 'node:fs';
import { readFile, stat } from 'node:fs/promises';

const MIB = 1024 ** 2;

/** Fingerprint of a file that is not there, or out of reach. */
export const NO_FILE = 'does not exist';

export const NOT_UTF8 = 'is not UTF-8 text';

type Content<As> =
  | (As & { readonly mode: number; readonly fingerprint: string; readonly fault?: undefined })
  /** `fault` is the end of a sentence that begins with the file. */
  | { readonly fault: string; readonly fingerprint: string };

export type FileContent = Content<{ readonly text: string }>;

/** Reads a UTF-8 file of limited size. Never throws for the file's sake. */
export async function readTextFile(path: string, maxMib = 1): Promise<FileContent> {
  const content = await readSmallFile(path, maxMib);
  if (content.fault !== undefined) return content;
  const { bytes, ...facts } = content;
  try {
    return { ...facts, text: decode(bytes) };
  } catch (error) {
    return { fault: faultOf(error), fingerprint: facts.fingerprint };
  }
}

/** Reads a file of limited size. Never throws for the file's sake. */
export async function readSmallFile(path: string, maxMib = 1): Promise<Content<{ readonly bytes: Buffer }>> {
  let fingerprint = NO_FILE;
  try {
    // Before opening: a pipe without a writer would block one of the four threads that all file access shares.
    const before = await stat(path, { bigint: true });
    fingerprint = fingerprintFrom(before);
    if (before.isDirectory()) return { fault: 'is a directory', fingerprint };
    if (!before.isFile()) return { fault: 'is not a regular file', fingerprint };
    if (before.size > maxMib * MIB) return { fault: `is larger than ${maxMib} MiB`, fingerprint };
    return { bytes: await readFile(path), mode: Number(before.mode), fingerprint };
  } catch (error) {
    return { fault: faultOf(error), fingerprint };
  }
}

/** Drops a byte order mark. Throws on what is not UTF-8. */
function decode(bytes: Buffer): string {
  return new TextDecoder('utf-8', { fatal: true }).decode(bytes);
}

/** Changes when a file is written, replaced, or its symbolic link pointed elsewhere, as Kubernetes does. */
export async function fingerprintOf(path: string): Promise<string> {
  try {
    return fingerprintFrom(await stat(path, { bigint: true }));
  } catch {
    return NO_FILE;
  }
}

function fingerprintFrom({ dev, ino, size, mtimeNs, ctimeNs }: BigIntStats): string {
  return [dev, ino, size, mtimeNs, ctimeNs].join(':');
}

function faultOf(error: unknown): string {
  const code = (error as { code?: unknown }).code;
  if (code === 'ENOENT' || code === 'ENOTDIR') return NO_FILE;
  if (code === 'EACCES' || code === 'EPERM') return 'must not be read by this user';
  if (code === 'ERR_ENCODING_INVALID_ENCODED_DATA') return NOT_UTF8;
  return `cannot be read (${typeof code === 'string' ? code : 'unknown error'})`;
}
