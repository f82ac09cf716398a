/** What is asked of a proxy: the request on the wire, and the answer that the origin gives to it. */

export const BODY = { '1 KiB': 1024, '1 MiB': 1024 ** 2 } as const;

export interface Workload {
  readonly method: 'GET' | 'POST';
  /** Of the answer's body to a GET, of the request's body to a POST. */
  readonly size: keyof typeof BODY;
}

export const UPLOADED = Buffer.from('ok');
/** Credentials of the caller: the broker checks them, the peers replace them. */
export const CALLER = { name: 'bench', password: 'open-sesame' } as const;

export function bodyOf(size: keyof typeof BODY): Buffer {
  return Buffer.alloc(BODY[size], '0123456789abcdef');
}

export function targetOf({ method, size }: Workload): string {
  return method === 'POST' ? '/upload' : `/${BODY[size]}`;
}

/** What the caller sends as `Authorization`. */
export function basicOf(): string {
  return `Basic ${Buffer.from(`${CALLER.name}:${CALLER.password}`).toString('base64')}`;
}

export function requestOf(workload: Workload, port: number): Buffer {
  const body = workload.method === 'POST' ? bodyOf(workload.size) : Buffer.alloc(0);
  const fields = [
    `Host: 127.0.0.1:${port}`,
    `Authorization: ${basicOf()}`,
    'User-Agent: token-broker-bench/1',
    'Accept: application/json',
    ...(body.length > 0 ? [`Content-Type: application/octet-stream`, `Content-Length: ${body.length}`] : []),
  ];
  return Buffer.concat([Buffer.from(`${workload.method} ${targetOf(workload)} HTTP/1.1\r\n${fields.join('\r\n')}\r\n\r\n`), body]);
}

/** The body that the origin answers with. */
export function answerOf({ method, size }: Workload): Buffer {
  return method === 'POST' ? UPLOADED : bodyOf(size);
}
