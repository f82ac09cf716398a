/** `mode` and `owner` beside an address: who may connect to a Unix socket. */

import * as z from 'zod';
import { SocketOwner } from '../socket-owner.ts';

export const socketAccess = {
  mode: z
    .string()
    .regex(/^0?[0-7]{3}$/, 'is not a file mode; write it in octal, such as "0660"')
    .optional()
    .describe(
      'File mode of a Unix socket, in octal; who may write to it may connect. Default: what the umask leaves, and "0660" with "owner".',
    ),
  owner: z
    .string()
    .refine(SocketOwner.isAcceptable, 'is not an owner; write "user:group", "user" or ":group", by name or number')
    .meta({ examples: ['app:app'] })
    .transform((text) => new SocketOwner(text))
    .optional()
    .describe(
      'Owner of a Unix socket: "user:group", "user" or ":group", by number, or by name as /etc/passwd and /etc/group have it. Only root can give it to another user. Default: who runs the broker.',
    ),
};
