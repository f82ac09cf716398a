/** Places in a config: as steps from its root, as a value, as text. */

/** Steps from the root of the config: keys and list indexes. */
export type ConfigPath = readonly (string | number)[];

/** What stands at a path of a raw config; `undefined` where there is nothing. */
export function valueAt(raw: unknown, path: readonly PropertyKey[]): unknown {
  return path.reduce(childOf, raw);
}

/** What stands under one key or index. */
export function childOf(value: unknown, step: PropertyKey): unknown {
  const isThere = typeof value === 'object' && value !== null && Object.hasOwn(value, step);
  return isThere ? (value as Record<PropertyKey, unknown>)[step] : undefined;
}

/** Whether a raw value is an object with keys. */
export function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** A path as people write it. */
export function formatPath(path: ConfigPath): string {
  const [first, ...rest] = path.map((step) => (typeof step === 'number' ? `[${step}]` : `.${printable(step)}`));
  return `${first?.replace(/^\./, '') ?? ''}${rest.join('')}`;
}

const LONGEST_PRINTED = 64;

/** A key that cannot break the line, colour the terminal or fill the screen. */
export function printable(text: string): string {
  const cut = text.length > LONGEST_PRINTED ? `${text.slice(0, LONGEST_PRINTED)}…` : text;
  return cut.replace(/[^\x20-\x7e…]|["\\]/gu, (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`);
}
