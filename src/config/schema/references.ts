/** Values that stand elsewhere: secrets by reference, and public material that may be written out. */

import * as z from 'zod';
import { certificatesProblem } from '../contents.ts';
import { Secret, type SecretKind, type SecretReference } from '../secret.ts';

const WAYS = ['fromEnv', 'fromFile', 'unsafeInline'] as const;

const ways = {
  fromEnv: z
    .string()
    .min(1, 'is empty; name an environment variable')
    .regex(/^[^$={}\s]*$/, 'is not the name of an environment variable; write the name alone, without "$" and braces')
    .optional()
    .describe('Name of an environment variable; one newline at the end of its value is dropped.'),
  fromFile: z
    .string()
    .min(1, 'is empty; give the path of a file')
    .optional()
    .describe('Path of a file, relative to this config. It is watched; one newline at its end is dropped.'),
  unsafeInline: z.string().min(1, 'is empty; give the value').optional().describe('The value itself. For demos: it is warned about.'),
};

/** An object with exactly one of the ways, or of the other keys. */
function oneWay<Other extends z.ZodRawShape>(other: Other) {
  const keys = [...WAYS, ...Object.keys(other)];
  return z
    .strictObject(
      { ...ways, ...other },
      {
        error: (issue) =>
          issue.code === 'invalid_type'
            ? 'is not a reference; write { "fromEnv": "NAME" }, { "fromFile": "path" } or, for a demo, { "unsafeInline": "…" }'
            : undefined,
      },
    )
    .refine((object) => keys.filter((key) => key in object).length === 1, `must have exactly one of "${keys.join('", "')}"`)
    .meta({ minProperties: 1, maxProperties: 1, examples: [{ fromEnv: 'NAME' }, { fromFile: 'path' }] });
}

const reference = oneWay({});

type Check = SecretKind['check'];

/** A secret by reference. Never a plain string: those end up in version control. */
export function secret(check?: Check) {
  return reference.transform((object) => new Secret(object as SecretReference, { confidential: true, check }));
}

/** A secret by reference, or what stands under one of the other keys, which must all be optional. */
export function secretOr<Other extends z.ZodRawShape>(other: Other, check?: Check) {
  return oneWay(other).transform((object) =>
    WAYS.some((way) => way in object)
      ? new Secret(object as SecretReference, { confidential: true, check })
      : (object as { readonly [Key in keyof Other]: Exclude<z.output<Other[Key]>, undefined> }),
  );
}

/** Public material (a certificate, a password hash, a field value): a plain string or a reference. */
export function material(check?: Check) {
  return z
    .union([z.string().min(1, 'is empty'), reference], {
      error: 'is neither a string nor a reference; write the text itself, { "fromEnv": "NAME" } or { "fromFile": "path" }',
    })
    .transform((value) => {
      const kind = { confidential: false, check };
      return new Secret(typeof value === 'string' ? { unsafeInline: value } : (value as SecretReference), kind);
    });
}

/** Whom a connection of the broker trusts. @param more for the reference */
export function trustedCa(more = '') {
  return material(certificatesProblem)
    .optional()
    .describe(
      `PEM certificates to trust, and no others. Default: the list that Node brings, with what NODE_USE_SYSTEM_CA and NODE_EXTRA_CA_CERTS add.${more}`,
    );
}
