/** Patterns in which `*` stands for part of something, never for more than that. */

/**
 * Takes a time that grows with the text alone, however many `*` there are: whoever sends a text has proven nothing yet. Each `*` but the last ends
 * where what follows it comes first. If that does not fit, no later place does: what the next `*` may stand for covers all up to there.
 *
 * @param member one character that `*` may stand for, as a regular expression
 */
export function wildcardPattern(text: string, member: string): RegExp {
  const [first = '', ...others] = text.split('*').map((literal) => literal.replace(/[\\^$.+?()[\]{}|/]/g, '\\$&'));
  const last = others.pop();
  const middle = others.map((literal) => `${member}(?:(?!${literal})${member})*${literal}`).join('');
  return new RegExp(`^${first}${middle}${last === undefined ? '' : `${member}+${last}`}$`, 'u');
}

/** For claims: `*` stands for part of one segment, and segments end at `/`, `:`, `@`, `|`, `,` and white space. */
export function claimPattern(text: string): RegExp {
  return wildcardPattern(text, '[^/:@|,\\s\\p{Cc}]');
}

/** For principals of Kerberos: `*` stands for part of one component of the name, never of the realm. */
export function principalPattern(text: string): RegExp {
  return wildcardPattern(text, '[^/@\\\\\\p{Cc}]');
}
