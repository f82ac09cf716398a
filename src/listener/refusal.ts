/** Refusals of what is no acceptable request, or does not become one in time. */

import { BrokerError } from '../errors.ts';
import type { WireError } from '../wire/wire-error.ts';

const OPTIONS = { stage: 'listener', close: true } as const;

export function refusalOf(error: WireError): BrokerError {
  switch (error.fault) {
    case 'head':
      return new BrokerError('REQUEST_TOO_LARGE', 'the request head is too large: send fewer or shorter fields', {
        ...OPTIONS,
        status: 431,
      });
    case 'target':
      return new BrokerError('REQUEST_TOO_LARGE', 'the request target is too long: shorten it', { ...OPTIONS, status: 414 });
    case 'version':
      return new BrokerError('REQUEST_INVALID', error.message, { ...OPTIONS, status: 505 });
    case 'malformed':
      return new BrokerError('REQUEST_INVALID', error.message, OPTIONS);
  }
}

export function headTooSlow(): BrokerError {
  return new BrokerError('REQUEST_TIMEOUT', 'the request head took too long to arrive', OPTIONS);
}

export function bodyStopped(): BrokerError {
  return new BrokerError('REQUEST_TIMEOUT', 'the request body stopped arriving', OPTIONS);
}

export function bodyEndedEarly(cause?: Error): BrokerError {
  return new BrokerError('REQUEST_INVALID', 'the request body ended early', { ...OPTIONS, cause });
}
