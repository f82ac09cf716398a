/** `demo`: what `token-broker dev` runs beside the broker. `start` refuses it. */

import * as z from 'zod';
import { secret } from './references.ts';
import { address, name } from './values.ts';

export const demo = z.strictObject({
  authorizationServer: z
    .strictObject({
      name: name.describe('The entry of "authorizationServers" that it plays; clients and users come from the tokens that name it.'),
      address,
      lifetime: z.int().min(5).max(86_400).default(60).describe('Lifetime of its tokens in seconds.'),
    })
    .describe('Issues real tokens, in this process.'),
  upstream: z.strictObject({ address }).describe('Answers every request with what it received, the token masked.'),
  call: z
    .strictObject({
      listener: name.describe('The listener that it is sent to.'),
      caller: name.describe('Who calls, with Basic.'),
      password: secret().describe('The password of that caller.'),
      path: z
        .string()
        .regex(/^\//, 'is not a path; begin with "/"')
        .meta({ examples: ['/orders'] })
        .describe('Path and query that are asked for.'),
    })
    .describe('The call that is made and printed.'),
});

export type DemoConfig = z.output<typeof demo>;
