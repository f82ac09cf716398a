/** A listener alone, on a real socket, in front of whatever the test puts there instead of the stages. */

import { listener as listenerSchema } from '../../src/config/schema/listeners.ts';
import { toBrokerError } from '../../src/errors.ts';
import { createRecord, refuse } from '../../src/exchange.ts';
import { Entrances } from '../../src/listener/entrances.ts';
import { HttpListener, type HttpListenerParts } from '../../src/listener/http-listener.ts';
import type { CallerRequest, Reply } from '../../src/message.ts';

export interface TestListener {
  readonly listener: HttpListener;
  /** `127.0.0.1:12345`. */
  readonly address: string;
  close(): Promise<void>;
}

/** @param handle takes each acceptable request; what it throws becomes the answer, as in the broker */
export async function startListener(
  handle: (request: CallerRequest, reply: Reply) => void,
  limits: Record<string, unknown> = {},
  protocols: readonly string[] = ['http/1.1'],
): Promise<TestListener> {
  const answer: HttpListenerParts['refuse'] = (error, request, reply) =>
    refuse(request, reply, error, createRecord({ ...request, listener: 'test' }, 0));
  const config = listenerSchema.parse({ address: '127.0.0.1:0', authenticate: ['anonymous'], limits, protocols });
  const listener = new HttpListener({
    name: 'test',
    config,
    handle(request, reply) {
      try {
        handle(request, reply);
      } catch (error) {
        answer(toBrokerError(error), request, reply);
      }
    },
    refuse: answer,
    readCertificate: () => {
      throw new Error('this listener has no TLS');
    },
    onFault(cause) {
      throw cause;
    },
    onTlsChange: () => {},
    onTlsProblem: () => {},
    onHandshakeFailed: () => {},
    onFull: () => {},
  });
  const entrances = new Entrances();
  const addresses = await entrances.open([{ name: 'test', address: config.address, taker: listener }]);
  return {
    listener,
    address: addresses.get('test') as string,
    async close() {
      entrances.close(listener);
      await listener.drain(0);
    },
  };
}

/** A whole answer in one go. */
export function answerOk(reply: Reply, body: Uint8Array = Buffer.from('ok')): void {
  const sink = reply.start(200, 'OK', ['content-length', String(body.length)], () => {});
  sink.chunk(body);
  sink.end([]);
}
