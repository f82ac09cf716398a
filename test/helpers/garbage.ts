/** What nobody can reach any more is gone. */

import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';

export async function collectGarbage(): Promise<void> {
  setFlagsFromString('--expose-gc');
  const collect = runInNewContext('gc') as () => void;
  // What a `WeakRef` has shown in a turn of the event loop stays until its end.
  await new Promise(setImmediate);
  collect();
}
