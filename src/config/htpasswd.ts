/** The lines of an htpasswd file: a user name and a password hash each. */

export interface HtpasswdEntry {
  /** From 1. */
  readonly line: number;
  readonly name: string;
  readonly passwordHash: string;
}

/** Without blank lines and comments, unjudged. What may follow behind a second ":" is a remark, as nginx has it. */
export function readHtpasswd(text: string): HtpasswdEntry[] {
  return text.split(/\r?\n/).flatMap((content, index) => {
    if (content.trim() === '' || content.startsWith('#')) return [];
    const [name = '', passwordHash = ''] = content.split(':');
    return [{ line: index + 1, name, passwordHash }];
  });
}
