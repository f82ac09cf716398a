/** The answer to a caller that wants to know us too: it carries what the caller's way to authenticate has to say. */

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
    // Beside a challenge, which is then the upstream's, it would read as one more leg (RFC 4559 §4.1).
    const isChallenge = status === 401 || status === 407;
    return this.#reply.start(status, reason, isChallenge ? fields : [...fields, ...this.#more], resume);
  }
}
