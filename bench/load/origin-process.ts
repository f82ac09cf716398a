/** The origin in a process of its own: one port without TLS and, given a certificate, one with it. */

import { startOrigin } from './origin.ts';

export interface OriginPlan {
  readonly tls: { readonly cert: string; readonly key: string };
}

export interface OriginPorts {
  readonly http: number;
  readonly https: number;
}

process.once('message', ({ tls }: OriginPlan) => {
  void Promise.all([startOrigin({}), startOrigin({ tls })]).then(([plain, encrypted]) => {
    process.send?.({ http: plain.port, https: encrypted.port } satisfies OriginPorts);
  });
});
process.once('disconnect', () => process.exit());
