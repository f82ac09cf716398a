/** What a command may touch of the process, so that tests can stand in for it. */

export interface Io {
  readonly stdout: NodeJS.WritableStream;
  readonly stderr: NodeJS.WritableStream;
  readonly stdin: NodeJS.ReadableStream;
  readonly env: NodeJS.ProcessEnv;
  /** Ends the process with this code, once the command has returned and its output is written. */
  exit(code: number): void;
}
