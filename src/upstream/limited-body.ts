/** A body that fails once it has grown past a route's `maxBody`. */

import { BrokerError } from '../errors.ts';
import type { Body } from '../message.ts';

/** Throws `REQUEST_TOO_LARGE` for an announced length above `maxBytes`: nothing is done for a request that cannot succeed. */
export function checkLength(body: Body | undefined, maxBytes: number | undefined): void {
  if (maxBytes !== undefined && (body?.length ?? 0) > maxBytes) throw tooLarge();
}

/** @param maxBytes bytes, of a body whose announced length has been checked */
export function limitBody(body: Body, maxBytes: number): Body {
  let bytes = 0;
  return {
    length: body.length,
    pipe(sink) {
      body.pipe({
        chunk(chunk) {
          if (bytes > maxBytes) return;
          bytes += chunk.length;
          if (bytes > maxBytes) sink.fail(tooLarge());
          else sink.chunk(chunk);
        },
        end(trailers) {
          if (bytes <= maxBytes) sink.end(trailers);
        },
        fail(cause) {
          if (bytes <= maxBytes) sink.fail(cause);
        },
      });
    },
    pause: () => body.pause(),
    resume: () => body.resume(),
    discard: () => body.discard(),
  };
}

function tooLarge(): BrokerError {
  return new BrokerError('REQUEST_TOO_LARGE', 'the request body is larger than the route allows', { stage: 'route', close: true });
}
