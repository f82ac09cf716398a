/** A connection that changes its protocol (RFC 9110 §7.8): only to one that was asked for, and only when the upstream has said so. */

import type { Socket } from 'node:net';
import { fieldValue, fieldValues, type Upgrade } from '../../message.ts';
import type { ParsedResponseHead } from '../../wire/response-head.ts';
import { tear } from '../../wire/tear.ts';
import { WireError } from '../../wire/wire-error.ts';

/** Throws `WireError` where a 101 is no answer to what was asked (CVE-2026-2833 is what comes of believing in one too early). */
export function checkSwitch({ fields }: ParsedResponseHead, asked: Upgrade | undefined): void {
  if (asked === undefined) throw new WireError('malformed', 'the upstream changed the protocol unasked');
  if (fieldValue(fields, 'content-length') !== undefined || fieldValue(fields, 'transfer-encoding') !== undefined)
    throw new WireError('malformed', 'the change of the protocol has a body');
  const agreed = protocolsIn(fieldValues(fields, 'upgrade').join(','));
  const offered = new Set(protocolsIn(asked.protocols));
  if (agreed.length === 0 || !agreed.every((protocol) => offered.has(protocol)))
    throw new WireError('malformed', 'the upstream changed to a protocol that was not asked for');
}

/** In lower case, as names of protocols are compared without regard to it. */
function protocolsIn(list: string): string[] {
  return list
    .split(',')
    .map((protocol) => protocol.trim().toLowerCase())
    .filter((protocol) => protocol !== '');
}

/** A tunnel that broke off must not look as if its side had ended. */
export function tearTunnel(socket: Socket): void {
  if (socket.readableEnded && socket.writableFinished) socket.destroy();
  else tear(socket);
}
