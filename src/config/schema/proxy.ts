/** `proxy`: an HTTP proxy on the way out. */

import * as z from 'zod';
import { secret } from './references.ts';
import { httpUrl } from './values.ts';

const proxyUrl = httpUrl
  .refine((text) => !text.startsWith('https:'), 'is https; give the http address of the proxy: what needs TLS has its own through it')
  .refine((text) => !URL.canParse(text) || new URL(text).pathname + new URL(text).search === '/', 'has a path or a query; remove them')
  .meta({ examples: ['http://proxy.example.com:3128'] });

export const proxy = z
  .strictObject({
    url: proxyUrl.describe('Where the proxy is: scheme, host and port.'),
    username: z
      .string()
      .regex(/^[\x20-\x39\x3b-\x7e]+$/, 'is not a user name; use visible ASCII without ":"')
      .optional()
      .describe('User name for the proxy (Basic); needs "password".'),
    password: secret().optional().describe('Password for the proxy.'),
  })
  .refine((entry) => (entry.username === undefined) === (entry.password === undefined), 'needs "username" and "password" together')
  .optional();

export type ProxyConfig = NonNullable<z.output<typeof proxy>>;
