/** A request on a connection, as the stages see it. */

import { type Body, type CallerRequest, type Fields, fieldValue, type Peer, type Upgrade } from '../message.ts';

export type RequestFacts = Omit<CallerRequest, 'onAbandoned' | 'abandoned' | 'sentAway'>;

export class HttpRequest implements CallerRequest {
  readonly id: string;
  readonly listener: string;
  readonly version: CallerRequest['version'];
  readonly method: string;
  readonly target: string;
  readonly host: string;
  readonly authority: string | undefined;
  readonly fields: Fields;
  readonly body: Body | undefined;
  readonly upgrade: Upgrade | undefined;
  readonly peer: Peer;
  sentAway = false;
  #abandoned = false;
  #listeners: (() => void)[] | undefined;

  constructor(facts: RequestFacts) {
    this.id = facts.id;
    this.listener = facts.listener;
    this.version = facts.version;
    this.method = facts.method;
    this.target = facts.target;
    this.host = facts.host;
    this.authority = facts.authority;
    this.fields = facts.fields;
    this.body = facts.body;
    this.upgrade = facts.upgrade;
    this.peer = facts.peer;
  }

  get abandoned(): boolean {
    return this.#abandoned;
  }

  onAbandoned(listener: () => void): void {
    if (this.#abandoned) listener();
    else if (this.#listeners === undefined) this.#listeners = [listener];
    else this.#listeners.push(listener);
  }

  /** The caller has gone before its answer was complete. */
  abandon(): void {
    if (this.#abandoned) return;
    this.#abandoned = true;
    for (const listener of this.#listeners ?? []) listener();
  }
}

/** The id that the caller gave it; `""` where there is none. */
export function givenRequestId(fields: Fields): string {
  return fieldValue(fields, 'x-request-id') ?? '';
}
