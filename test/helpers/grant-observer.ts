/** Notes what it is told of the grants of a token, as short texts. */

import type { GrantObserver } from '../../src/token/observer.ts';

/** What it is told is added to `events`. */
export function recordingObserver(events: string[] = []): GrantObserver {
  return {
    secretChanged: (position, count) => void events.push(`secret ${position} of ${count}`),
    registered: (_clientId, reason) => void events.push(`registered: ${reason}`),
    registrationNotPersisted: (error) => void events.push(`not persisted: ${(error as NodeJS.ErrnoException).code}`),
    registrationUnreadable: (reason) => void events.push(`unreadable: ${reason}`),
    refused: ({ reason }) => void events.push(reason),
    notPersisted: (error) => void events.push(`not persisted: ${(error as NodeJS.ErrnoException).code}`),
    unreadable: (reason) => void events.push(`unreadable: ${reason}`),
  };
}
