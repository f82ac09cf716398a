/** Where the program of the thread is. In the bundle, which is one file, the build puts the program itself here. */

export const WORKER_URL = new URL('./worker.ts', import.meta.url);
