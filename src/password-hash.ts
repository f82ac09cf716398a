/** Password hashes: argon2id and scrypt as PHC strings, made by `token-broker hash-password`, and bcrypt; read from the config. */

import crypto, { randomBytes, type ScryptOptions, scrypt, timingSafeEqual } from 'node:crypto';
import { promisify } from 'node:util';
import { type BcryptHash, parseBcrypt, verifyBcrypt } from './bcrypt/bcrypt.ts';

/** A hash ready to be compared with; the algorithm's parameters are within bounds. */
export type PasswordHash = BcryptHash | DerivedHash;

type DerivedHash =
  | {
      readonly algorithm: 'argon2id';
      readonly memoryKiB: number;
      readonly passes: number;
      readonly parallelism: number;
      readonly salt: Buffer;
      readonly hash: Buffer;
    }
  | {
      readonly algorithm: 'scrypt';
      readonly cost: number;
      readonly blockSize: number;
      readonly parallelism: number;
      readonly salt: Buffer;
      readonly hash: Buffer;
    };

/** A verification runs beside the traffic of a sidecar: a config must not be able to ask for more memory than this. */
const MAX_MEMORY_KIB = 256 * 1024;
/** Memory times passes: some 3 s of one core. */
const MAX_WORK_KIB = 4 * MAX_MEMORY_KIB;
const MAX_PARALLELISM = 16;

/** OWASP Password Storage Cheat Sheet: argon2id with 19 MiB, 2 passes, 1 lane; 62 ms measured. */
const OURS = { memoryKiB: 19_456, passes: 2, parallelism: 1 } as const;
const SALT_BYTES = 16;
const HASH_BYTES = 32;

// Imported by name it would end an older Node before the bundle could say which one it needs.
const argon2Async = promisify(crypto.argon2);
const scryptAsync = promisify<string, Buffer, number, ScryptOptions, Buffer>(scrypt);

/** Reads a hash; `undefined` when it is none, or asks for more than a sidecar should spend. */
export function parsePasswordHash(text: string): PasswordHash | undefined {
  return parseArgon2id(text) ?? parseScrypt(text) ?? parseBcrypt(text);
}

function parseArgon2id(text: string): DerivedHash | undefined {
  const match = /^\$argon2id\$v=19\$m=(\d{1,7}),t=(\d{1,3}),p=(\d{1,2})\$([^$]+)\$([^$]+)$/.exec(text);
  if (!match) return undefined;
  const [memoryKiB, passes, parallelism] = [Number(match[1]), Number(match[2]), Number(match[3])];
  const [salt, hash] = [decode(match[4], 8), decode(match[5], 16)];
  if (salt === undefined || hash === undefined || !isLaneCount(parallelism) || passes < 1) return undefined;
  // RFC 9106 §3.1: at least eight blocks of 1 KiB for each lane.
  if (memoryKiB < 8 * parallelism || memoryKiB > MAX_MEMORY_KIB || memoryKiB * passes > MAX_WORK_KIB) return undefined;
  return { algorithm: 'argon2id', memoryKiB, passes, parallelism, salt, hash };
}

function parseScrypt(text: string): DerivedHash | undefined {
  const match = /^\$scrypt\$ln=(\d{1,2}),r=(\d{1,2}),p=(\d{1,2})\$([^$]+)\$([^$]+)$/.exec(text);
  if (!match) return undefined;
  const [cost, blockSize, parallelism] = [2 ** Number(match[1]), Number(match[2]), Number(match[3])];
  const [salt, hash] = [decode(match[4], 8), decode(match[5], 16)];
  if (salt === undefined || hash === undefined || !isLaneCount(parallelism) || blockSize < 1 || cost < 2) return undefined;
  const memoryKiB = (cost * blockSize) / 8;
  if (memoryKiB > MAX_MEMORY_KIB || memoryKiB * parallelism > MAX_WORK_KIB) return undefined;
  return { algorithm: 'scrypt', cost, blockSize, parallelism, salt, hash };
}

function isLaneCount(parallelism: number): boolean {
  return parallelism >= 1 && parallelism <= MAX_PARALLELISM;
}

/** Base64 without padding, of `least` to 64 bytes, in its one canonical spelling. */
function decode(text: string | undefined, least: number): Buffer | undefined {
  const bytes = Buffer.from(text ?? '', 'base64');
  return bytes.length >= least && bytes.length <= 64 && encode(bytes) === text ? bytes : undefined;
}

function encode(bytes: Buffer): string {
  return bytes.toString('base64').replaceAll('=', '');
}

/** A fresh argon2id hash of the password, as the text for `passwordHash`. */
export async function hashPassword(password: string): Promise<string> {
  const salt = randomBytes(SALT_BYTES);
  const hash = await derive({ algorithm: 'argon2id', ...OURS, salt, hash: Buffer.alloc(HASH_BYTES) }, password);
  return `$argon2id$v=19$m=${OURS.memoryKiB},t=${OURS.passes},p=${OURS.parallelism}$${encode(salt)}$${encode(hash)}`;
}

/** Whether the password is the one that was hashed. Costs what the hash says, on another thread: the caller bounds how many run. */
export async function verifyPassword(hash: PasswordHash, password: string): Promise<boolean> {
  if (hash.algorithm === 'bcrypt') return verifyBcrypt(hash, password);
  return timingSafeEqual(await derive(hash, password), hash.hash);
}

/** Derives as many bytes as `like.hash` has. */
function derive(like: DerivedHash, password: string): Promise<Buffer> {
  const { salt, hash, parallelism } = like;
  if (like.algorithm === 'argon2id') {
    const parameters = { message: password, nonce: salt, parallelism, tagLength: hash.length, memory: like.memoryKiB, passes: like.passes };
    return argon2Async('argon2id', parameters);
  }
  // Node's default ceiling of 32 MiB is just below ln=15, r=8; twice the working set leaves OpenSSL room for its own buffers.
  const options = { N: like.cost, r: like.blockSize, p: parallelism, maxmem: 256 * like.blockSize * (like.cost + parallelism) };
  return scryptAsync(password, salt, hash.length, options);
}
