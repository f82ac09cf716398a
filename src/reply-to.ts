/** The answer to a caller that wants to know us too: whatever it is, it carries what the caller's way to authenticate has to say. */

import type { Caller } from './caller/caller.ts';
import type { Fields, Reply, ReplySink } from './message.ts';

/** For most callers the same. */
export function replyTo({ answer }: Caller, reply: Reply): Reply {
  return answer === undefined ? reply : new CompletedReply(reply, answer);
}

class CompletedReply implements Reply {
  readonly #reply: Reply;
  readonly #more: Fields;

  constructor(reply: Reply, more: Fields) {
    this.#reply = reply;
    this.#more = more;
  }

  get started(): boolean {
    return this.#reply.started;
  }

  interim(status: number, fields: Fields): void {
    this.#reply.interim(status, fields);
  }

  start(status: number, reason: string, fields: Fields, resume: () => void): ReplySink {
    return this.#reply.start(status, reason, [...fields, ...this.#more], resume);
  }
}
