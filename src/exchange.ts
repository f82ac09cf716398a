/** One request's way through the stages: caller → route → token → upstream; and the one place where a failure becomes an answer. */

import type { Caller } from './caller/caller.ts';
import { type BrokerError, type ErrorCode, toBrokerError } from './errors.ts';
import { type CallerRequest, type Fields, fieldValue, type Reply } from './message.ts';
import { type ToProblem, toProblem } from './problem.ts';
import { replyTo } from './reply-to.ts';
import type { RouteMatch } from './route/router.ts';
import type { Token } from './token/token.ts';
import type { Forwarded } from './upstream/forward.ts';

/** What tells who is calling. */
export type AskingRequest = Pick<CallerRequest, 'listener' | 'authority' | 'fields' | 'peer'>;

/** The four stages, as the broker composes them. `authenticate` and `token` answer without a promise when they can. */
export interface Stages {
  authenticate(request: AskingRequest): Caller | Promise<Caller>;
  route(request: CallerRequest, caller: Caller): RouteMatch;
  token(match: RouteMatch, request: CallerRequest): Token | undefined | Promise<Token>;
  forward(request: CallerRequest, reply: Reply, caller: Caller, match: RouteMatch, token: Token | undefined): Promise<Forwarded>;
}

/** What is known of a request when it ends: the access line and the metrics. */
export interface AccessRecord {
  readonly requestId: string;
  readonly listener: string;
  readonly version: CallerRequest['version'];
  method: string;
  /** As it came: never shown whole, since its query may hold secrets. */
  target: string;
  /** Monotonic clock, milliseconds. */
  readonly startedAt: number;
  caller?: string;
  route?: string;
  token?: Token;
  status?: number;
  /** Our own refusal; absent when the upstream answered. */
  error?: BrokerError;
  /** Who broke the exchange off after the head of the answer. */
  cut?: Forwarded['cut'] | 'broker';
}

/** Handles a request to its end, noting on the record what becomes of it. Never rejects. */
export async function exchange(request: CallerRequest, reply: Reply, stages: Stages, record: AccessRecord): Promise<void> {
  let answer = reply;
  try {
    const found = stages.authenticate(request);
    const caller = isPromise(found) ? await found : found;
    record.caller = caller.name;
    answer = replyTo(caller, reply);

    const match = stages.route(request, caller);
    record.route = match.route.name;

    const held = stages.token(match, request);
    const token = isPromise(held) ? await held : held;
    if (token !== undefined) record.token = token;

    if (request.abandoned) {
      record.cut = 'caller';
      return;
    }
    const { status, cut } = await stages.forward(request, answer, caller, match, token);
    record.status = status;
    record.cut = cut;
  } catch (cause) {
    refuse(request, answer, toBrokerError(cause), record);
  }
}

/** Answers with a failure, if the caller is still there and has not been answered yet. */
export function refuse(
  request: Partial<CallerRequest>,
  reply: Reply,
  error: BrokerError,
  record: AccessRecord,
  answer: ToProblem = toProblem,
): void {
  record.error = error;
  if (request.abandoned === true) record.cut = 'caller';
  if (reply.started || request.abandoned === true) return;
  const problem = answer(error, record.requestId);
  record.status = problem.status;
  request.body?.discard();
  const fields = error.close ? problem.fields : [...problem.fields, ...unreadFields(request)];
  const sink = reply.start(problem.status, '', fields, () => {});
  sink.chunk(problem.body);
  sink.end([]);
}

/** For an answer that does not wait for the body. Who waits for `100 Continue` may send it or not: what comes next could be either. */
export function unreadFields({ body, fields }: Partial<CallerRequest>): Fields {
  return body !== undefined && fieldValue(fields ?? [], 'expect') !== undefined ? ['connection', 'close'] : [];
}

export function createRecord(
  { id: requestId, listener, version, method, target }: Pick<CallerRequest, 'id' | 'listener' | 'version' | 'method' | 'target'>,
  startedAt: number,
): AccessRecord {
  return { requestId, listener, version, method, target, startedAt };
}

/** What the request counts as: our refusal, or an answer that the upstream broke off. A tunnel is no answer: who speaks in one may leave at any time. */
export function failureOf({ status, error, cut }: Pick<AccessRecord, 'status' | 'error' | 'cut'>): ErrorCode | undefined {
  return error?.code ?? (cut === 'upstream' && status !== 101 ? 'UPSTREAM_RESET' : undefined);
}

function isPromise<T>(value: T | Promise<T>): value is Promise<T> {
  return typeof (value as Promise<T> | undefined)?.then === 'function';
}
