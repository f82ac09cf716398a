/** `demo`: what `token-broker dev` runs beside the broker. `start` refuses it. */

import * as z from 'zod';
import { address, name, secret, strictObject } from './values.ts';

export const demo = strictObject({
  authorizationServer: strictObject({
    name: name.describe('The entry of "authorizationServers" that it plays; clients and users come from the tokens that name it.'),
    address,
    lifetime: z.int().min(5).max(86_400).default(60).describe('Lifetime of its tokens in seconds.'),
  }),
  upstream: strictObject({ address }).describe('Answers every request with what it received, the token masked.'),
  call: strictObject({
    listener: name,
    caller: name,
    password: secret,
    path: z.string().regex(/^\//, 'is not a path; begin with "/"'),
  }).describe('The call that is made and printed.'),
});

export type DemoConfig = z.output<typeof demo>;
