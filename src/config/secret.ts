/** A secret value from the environment or a file, which no log line, JSON text or inspection can show. */

import { hash } from 'node:crypto';
import { inspect } from 'node:util';

/** Where a secret comes from, as written in the config. */
export type SecretReference = { readonly fromEnv: string } | { readonly fromFile: string } | { readonly unsafeInline: string };

/** What the config expects of a value. */
export interface SecretKind {
  /** False for public material such as certificates: nobody is warned when it can be read. */
  readonly confidential: boolean;
  /** Says what is wrong with a value and the way out, without quoting it. */
  readonly check?: ((value: string) => string | undefined) | undefined;
  /** Whether a file with nothing in it means something. */
  readonly mayBeEmpty?: boolean;
}

const MASK = '[secret]';

/**
 * Holds one secret. An inline one is there at once, others are filled by the loader; a file secret is filled again when
 * its file changes, and `version` then grows. Readers call `reveal()` at the moment of use and keep nothing.
 */
export class Secret {
  /** The value of an inline secret is masked here. */
  readonly reference: SecretReference;
  readonly kind: SecretKind;
  #value: string | undefined;
  #version = 0;
  #furtherCheck: NonNullable<SecretKind['check']> = () => undefined;
  #file: string | undefined;
  #reread: () => Promise<void> = () => Promise.resolve();
  readonly #listeners = new Set<() => void>();

  constructor(reference: SecretReference, kind: SecretKind = { confidential: true }) {
    const inline = 'unsafeInline' in reference;
    this.reference = inline ? { unsafeInline: MASK } : reference;
    this.kind = kind;
    if (inline) this.fill(reference.unsafeInline);
  }

  /** The value. Throws when the loader has not filled it: a bug of ours, never of the user. */
  reveal(): string {
    if (this.#value === undefined) throw new Error('a secret was read before it was loaded');
    return this.#value;
  }

  /** The value after its file, where it has one, was read again: for what others replace at any moment. An unreadable file changes nothing. */
  async fresh(): Promise<string> {
    await this.#reread();
    return this.reveal();
  }

  /** Where it comes from, which stands for what it says; one that stands in the config itself has no other name than its digest. */
  get provenance(): object {
    return 'unsafeInline' in this.reference ? { inline: hash('sha256', this.reveal()) } : this.reference;
  }

  /** What is wrong with a value and the way out, without quoting it. */
  faultOf(value: string): string | undefined {
    return this.kind.check?.(value) ?? this.#furtherCheck(value);
  }

  /** For the loader: a check that needs to know the rest of the config. */
  checkFurther(check: NonNullable<SecretKind['check']>): void {
    this.#furtherCheck = check;
  }

  /** For the loader: the file that fills this secret, and how it does so once more. */
  readFrom(file: string, reread: () => Promise<void>): void {
    this.#file = file;
    this.#reread = reread;
  }

  /** The whole path, once it was read; two ways to write it are the same. */
  get file(): string | undefined {
    return this.#file;
  }

  /** Whether there is a value to reveal. */
  get filled(): boolean {
    return this.#value !== undefined;
  }

  /** Grows with every change of the value. */
  get version(): number {
    return this.#version;
  }

  /** Sets the value; tells the listeners when it differs from the one before. */
  fill(value: string): void {
    if (value === this.#value) return;
    this.#value = value;
    this.#version += 1;
    for (const listener of this.#listeners) listener();
  }

  /** Runs `listener` after each later change of the value; the result removes it. */
  onChange(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  toString(): string {
    return MASK;
  }

  toJSON(): string {
    return MASK;
  }

  [inspect.custom](): string {
    return MASK;
  }
}
