/** Whose a Unix socket is: a user and a group, by name or number. */

const PART = '[A-Za-z0-9_][A-Za-z0-9_.-]{0,31}\\$?';
const FORM = new RegExp(`^(?:(${PART})(?::(${PART}))?|:(${PART}))$`);

/** What `chown` takes for "as it is". */
const UNCHANGED = -1;

/** The numbers are there once the config is loaded. */
export class SocketOwner {
  readonly user: string | undefined;
  readonly group: string | undefined;
  #uid = UNCHANGED;
  #gid = UNCHANGED;

  /** @param text one that is acceptable */
  constructor(text: string) {
    const [, user, group, groupAlone] = FORM.exec(text) ?? [];
    this.user = user;
    this.group = group ?? groupAlone;
  }

  static isAcceptable(text: string): boolean {
    return FORM.test(text);
  }

  get uid(): number {
    return this.#uid;
  }

  get gid(): number {
    return this.#gid;
  }

  /** For the loader. */
  resolve({ uid, gid }: { readonly uid?: number | undefined; readonly gid?: number | undefined }): void {
    this.#uid = uid ?? UNCHANGED;
    this.#gid = gid ?? UNCHANGED;
  }
}
