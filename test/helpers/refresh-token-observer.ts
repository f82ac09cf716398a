/** Notes what it is told of refresh tokens, as short texts. */

import type { RefreshTokenObserver } from '../../src/token/observer.ts';

/** What it is told is added to `events`. */
export function recordingObserver(events: string[] = []): RefreshTokenObserver {
  return {
    refused: ({ reason }) => void events.push(reason),
    notPersisted: (error) => void events.push(`not persisted: ${(error as NodeJS.ErrnoException).code}`),
    unreadable: (reason) => void events.push(`unreadable: ${reason}`),
  };
}
