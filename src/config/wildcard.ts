/** Patterns in which `*` stands for part of something, never for more than that. */

/** @param wildcard what `*` matches, as a regular expression */
export function wildcardPattern(text: string, wildcard: string): RegExp {
  return new RegExp(`^${text.replace(/[\\^$.+?()[\]{}|/]/g, '\\$&').replaceAll('*', wildcard)}$`, 'u');
}

/** For claims: `*` stands for part of one segment, and segments end at `/`, `:`, `@`, `|`, `,` and white space. */
export function claimPattern(text: string): RegExp {
  return wildcardPattern(text, '[^/:@|,\\s\\p{Cc}]+');
}
