/** A host and perhaps a port, as `Host` and the authority of a URL write them (RFC 9110 §4.2, without userinfo). */

import { isIPv6 } from 'node:net';

const HOST = /^([A-Za-z0-9._-]+|\[[0-9A-Fa-f:.]+\])(?::(\d{0,5}))?$/;

/** The host alone, lower-case; `undefined` where the text is malformed. */
export function readHost(text: string): string | undefined {
  const [, host = '', port = ''] = HOST.exec(text) ?? [];
  const isMalformed = host === '' || Number(port) > 65_535 || (host.startsWith('[') && !isIPv6(host.slice(1, -1)));
  return isMalformed ? undefined : host.toLowerCase();
}
