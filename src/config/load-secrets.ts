/** Fills every secret of a parsed config from the environment and from files, and judges what it finds. */

import { realpath } from 'node:fs/promises';
import { dirname, resolve } from 'node:path';
import { certificatesProblem, isStrongEnough, keyMatchesCertificate, privateKeyProblem } from './contents.ts';
import { type ConfigPath, valueAt } from './path.ts';
import { type Finding, problem, warning } from './problem.ts';
import { type FileContent, NO_FILE, readTextFile } from './read-file.ts';
import { Secret } from './secret.ts';
import type { ConfigSource } from './source.ts';
import { entriesOf, type Placed, valuesIn } from './values-in.ts';

/** A secret that lives in a file. */
export interface FileSecret {
  readonly secret: Secret;
  /** Where the config names the file. */
  readonly path: ConfigPath;
  readonly file: string;
  /** Of the file when it was read. */
  readonly fingerprint: string;
}

export interface LoadedSecrets {
  readonly findings: readonly Finding[];
  readonly files: readonly FileSecret[];
}

interface Origin {
  readonly source: Pick<ConfigSource, 'raw' | 'fileOf'>;
  readonly env: NodeJS.ProcessEnv;
}

/** Fills the secrets in place. Those with a problem stay empty. */
export async function loadSecrets(config: object, origin: Origin): Promise<LoadedSecrets> {
  const found = valuesIn(config, Secret).map(({ value, path }) => ({ value, path: asWritten(path, origin.source.raw) }));
  const loaded = await Promise.all(found.map((placed) => loadSecret(placed, origin)));
  return {
    findings: [...loaded.flatMap(({ findings }) => findings), ...keyPairFindings(config, [])],
    files: loaded.flatMap(({ files }) => files),
  };
}

/** A single value stands in the parsed config as a list of one: its path in the file has no index. */
function asWritten(path: ConfigPath, raw: unknown): ConfigPath {
  const parent = path.slice(0, -1);
  return typeof path.at(-1) === 'number' && !Array.isArray(valueAt(raw, parent)) ? parent : path;
}

async function loadSecret({ value: secret, path }: Placed<Secret>, { source, env }: Origin): Promise<LoadedSecrets> {
  const { reference } = secret;
  if ('fromFile' in reference) {
    // A key for files alone has the path as its value.
    const at = typeof valueAt(source.raw, path) === 'string' ? path : [...path, 'fromFile'];
    return loadFile(secret, at, resolve(dirname(source.fileOf(at)), reference.fromFile));
  }
  if ('fromEnv' in reference) return { findings: fill(secret, [...path, 'fromEnv'], env[reference.fromEnv]), files: [] };
  const fault = secret.faultOf(secret.reveal());
  if (fault !== undefined) return { findings: [problem(path, isPath(secret) ? `${fault}, or { "fromFile": "path" }` : fault)], files: [] };
  const lost = 'stands in the config itself, for all who can read it; use "fromEnv" or "fromFile"';
  return { findings: secret.kind.confidential ? [warning([...path, 'unsafeInline'], lost)] : [], files: [] };
}

/** Whether somebody has written where the text stands instead of the text. */
function isPath(secret: Secret): boolean {
  return /^[\w.-]*\/[\w./-]+$|^[\w-]+\.(?:pem|crt|cer|key)$/.test(secret.reveal());
}

function fill(secret: Secret, path: ConfigPath, value: string | undefined): Finding[] {
  if (value === undefined) return [problem(path, 'names an environment variable that is not set; set it, or correct the name')];
  const text = withoutLastNewline(value);
  if (text === '') return [problem(path, 'names an environment variable that is empty; give it a value')];
  const fault = secret.faultOf(text);
  if (fault !== undefined) return [problem(path, `names an environment variable whose value ${fault}`)];
  secret.fill(text);
  return [];
}

async function loadFile(secret: Secret, at: ConfigPath, file: string): Promise<LoadedSecrets> {
  const content = secretIn(await readTextFile(file), secret);
  if (content.fault !== undefined) return { findings: [problem(at, fileFault(content.fault))], files: [] };
  secret.fill(content.text);
  secret.readFrom(file, async () => {
    const again = secretIn(await readTextFile(file), secret);
    if (again.fault === undefined) secret.fill(again.text);
  });
  const entry = { secret, path: at, file, fingerprint: content.fingerprint };
  return { findings: secret.kind.confidential ? await exposureFindings(at, file, content.mode) : [], files: [entry] };
}

/** The one that editors and `echo` put at the end, also where Kubernetes makes a variable of it. */
function withoutLastNewline(text: string): string {
  return text.replace(/\r?\n$/, '');
}

/** What a file holds, as that secret: checked, without its last newline. */
export function secretIn(content: FileContent, secret: Secret): FileContent {
  if (content.fault !== undefined) return content;
  const text = withoutLastNewline(content.text);
  const fault = text === '' && !secret.kind.mayBeEmpty ? 'is empty' : secret.faultOf(text);
  return fault === undefined ? { ...content, text } : { fault, fingerprint: content.fingerprint };
}

/** A sentence about a file that is named at the place of the problem, and nowhere else: the name might be the secret itself. */
export function fileFault(fault: string): string {
  const hasWayOut = fault.includes(';');
  const wayOut = fault === NO_FILE ? '; relative paths begin at the directory of the config' : '; mend it, or name another';
  return `names a file that ${fault}${hasWayOut ? '' : wayOut}`;
}

/** A warning where others can read the file. */
export async function exposureFindings(at: ConfigPath, file: string, mode: number): Promise<Finding[]> {
  if ((mode & 0o077) === 0 || (await isGuarded(file, mode))) return [];
  const octal = (mode & 0o777).toString(8).padStart(4, '0');
  return [warning(at, `names a file that is open to other users (mode ${octal}); make it 0600 or 0400`)];
}

/** Whether whoever placed the file keeps others away from it by other means than its mode. */
async function isGuarded(file: string, mode: number): Promise<boolean> {
  const path = await realpath(file).catch(() => file);
  // A volume of Kubernetes: only containers that mount it see it, and one that is not root could not read a file there that is for its owner alone.
  if (path.split('/').some((folder) => /^\.\.\d{4}_\d\d_/.test(folder))) return true;
  // A credential of systemd: it lets one user in by an access control list, whose mask stands where the mode has the rights of the group.
  return path.startsWith('/run/credentials/') && (mode & 0o037) === 0;
}

/** A certificate and a key side by side must belong together. */
function keyPairFindings(value: unknown, path: ConfigPath): Finding[] {
  if (value instanceof Secret) return [];
  const entries = entriesOf(value);
  const [name, certificate] = entries.find(([step]) => step === 'cert' || step === 'certificate') ?? [];
  const key = entries.find(([step]) => step === 'key')?.[1];
  const isPair = isSound(certificate, certificatesProblem) && isSound(key, privateKeyProblem);
  if (isPair && !keyMatchesCertificate(key.reveal(), certificate.reveal())) {
    return [problem([...path, 'key'], `does not belong to the certificate in "${name}"; give the key it was issued for`)];
  }
  // A "certificate" may be there to be named in an assertion alone.
  if (isPair && name === 'cert' && !isStrongEnough(key.reveal(), certificate.reveal()))
    return [problem([...path, 'key'], 'is too weak for TLS, or its certificate is; use RSA of 2048 bits or more, or P-256, and SHA-256')];
  return entries.flatMap(([step, child]) => keyPairFindings(child, [...path, step]));
}

/** Whether this is a loaded secret that holds such a thing. */
function isSound(value: unknown, check: (text: string) => string | undefined): value is Secret {
  return value instanceof Secret && value.filled && check(value.reveal()) === undefined;
}
