/** Where something is: host and port, as sockets take them and as HTTP writes them. */

export interface Place {
  /** An address of IPv6 without its brackets. */
  readonly host: string;
  readonly port: number;
}

export function placeOf(url: string): Place {
  const { protocol, hostname, port } = new URL(url);
  return { host: hostname.replace(/^\[|\]$/g, ''), port: Number(port) || (protocol === 'https:' ? 443 : 80) };
}

/** With its port, whichever that is. */
export function authorityOf({ host, port }: Place): string {
  return `${host.includes(':') ? `[${host}]` : host}:${port}`;
}
