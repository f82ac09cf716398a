/** A body that fails once it has grown past a route's `maxBody`. */

import { BrokerError } from '../errors.ts';
import type { Body } from '../message.ts';

/** @param maxBytes bytes; an announced length above it is refused at once with `REQUEST_TOO_LARGE` */
export function limitBody(body: Body, maxBytes: number): Body {
  if (body.length !== undefined && body.length > maxBytes) throw tooLarge();
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
        end: (trailers) => sink.end(trailers),
        fail: (cause) => sink.fail(cause),
      });
    },
    pause: () => body.pause(),
    resume: () => body.resume(),
    discard: () => body.discard(),
  };
}

function tooLarge(): BrokerError {
  return new BrokerError('REQUEST_TOO_LARGE', 'the request body is larger than the route allows', { stage: 'upstream', close: true });
}
