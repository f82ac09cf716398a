/**
 * Jest runs each file in a context of its own, where an error made by Node's core is not `instanceof` that context's
 * `Error`: libraries then classify it differently than in production. This makes `instanceof` look at what the object is.
 */
for (const base of [Error, TypeError, RangeError, SyntaxError]) {
  Object.defineProperty(base, Symbol.hasInstance, {
    configurable: true,
    value(candidate) {
      if (Function.prototype[Symbol.hasInstance].call(this, candidate)) return true;
      if (this !== base || !Error.isError(candidate)) return false;
      for (let proto = candidate; proto !== null; proto = Object.getPrototypeOf(proto)) {
        if (Object.hasOwn(proto, 'constructor') && proto.constructor.name === base.name) return true;
      }
      return false;
    },
  });
}

/**
 * The same holds for what `structuredClone` makes: its objects are not of this context's `Object`, and oidc-provider then takes
 * a client's keys for something else.
 */
const clone = globalThis.structuredClone;
globalThis.structuredClone = (value, options) => atHome(clone(value, options));

function atHome(value) {
  if (typeof value !== 'object' || value === null || value instanceof Object) return value;
  if (Object.getPrototypeOf(value)?.constructor?.name === 'Object') Object.setPrototypeOf(value, Object.prototype);
  if (Array.isArray(value) || value instanceof Object) for (const child of Object.values(value)) atHome(child);
  return value;
}
