/** Why there can be no demo, in words of ours that may stand in a log. */

import { BrokerError } from '../errors.ts';

export function cannot(message: string, cause?: unknown): BrokerError {
  return new BrokerError('INTERNAL', message, { stage: 'broker', cause });
}
