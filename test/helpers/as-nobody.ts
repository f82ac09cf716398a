/** Does something as a user without rights, whoever runs the tests. */

import { chmod } from 'node:fs/promises';

const NOBODY = 65_534;

/** @param folder that user may write to */
export async function asNobody<T>(folder: string, action: () => Promise<T>): Promise<T> {
  if (process.getuid?.() !== 0) return action();
  await chmod(folder, 0o777);
  process.seteuid?.(NOBODY);
  try {
    return await action();
  } finally {
    process.seteuid?.(0);
  }
}
