/** Recognises a caller by its ticket of Kerberos, request by request: a ticket's proof is good once, and a connection proves nothing. */

import { type Clock, systemClock, within } from '../clock.ts';
import type { Keytab } from '../config/keytab.ts';
import type { CallerConfig } from '../config/schema/callers.ts';
import type { ListenerConfig } from '../config/schema/listeners.ts';
import { principalPattern } from '../config/wildcard.ts';
import { BrokerError } from '../errors.ts';
import type { Caller, Verdict } from './caller.ts';
import { createFairQueue } from './fair-queue.ts';
import { type Accepted, type Kerberos, loadKerberos, type TicketFault } from './kerberos.ts';
import { type Demand, narrowerFirst } from './narrowest.ts';
import { type NegotiateTokenFault, readNegotiateToken } from './negotiate-token.ts';

/** Why nobody was let in; the caller is not told. */
export type NegotiateFault = NegotiateTokenFault | TicketFault | 'other_service' | 'unknown_principal' | 'no_answer';

export interface NegotiateObserver {
  /** @param principal whom Kerberos knows, where it is no caller */
  refused(listener: string, fault: NegotiateFault, principal?: string): void;
}

/** Judges the value of an `Authorization` field of the Negotiate scheme, which is told apart from others by where it came from. */
export type JudgeNegotiate = (authorization: string, from: string, answerField: string) => Verdict | Promise<Verdict>;

export interface NegotiateCheck {
  /** For one listener. Throws a `BrokerError` where there is no Kerberos library. */
  at(listener: string, settings: NonNullable<ListenerConfig['negotiate']>): JudgeNegotiate;
  /**
   * Tickets are judged with the keytab of this config from now on, those of listeners of a config before, too: the library reads one in a process, and
   * whoever put that of before back for a ticket would have the next one judged with keys that are gone.
   */
  selectKeytab(): void;
}

export interface NegotiateCheckOptions {
  readonly callers: Readonly<Record<string, CallerConfig>>;
  readonly clock?: Clock;
  readonly observer: NegotiateObserver;
  /** Asked for once, when the first listener needs it. */
  readonly load?: () => Kerberos;
}

/** Some 50 ms of work at 0.1 ms and two at once. */
const MAX_WAITING = 1_000;
/** The library waits for a lock on its file of used tokens, and for the disk: nobody waits for it longer. */
const DEADLINE_MS = 5_000;
const RETRY_AFTER_SECONDS = 2;

/** Troubles of ours: nothing is known of the ticket then. */
const UNVERIFIABLE: ReadonlySet<NegotiateFault> = new Set(['keytab_unusable', 'replay_cache_unusable', 'no_answer']);

export function createNegotiateCheck(options: NegotiateCheckOptions): NegotiateCheck {
  const { callers, clock = systemClock, observer, load = loadKerberos } = options;
  const callerOf = createPrincipalMatcher(callers);
  const queue = createFairQueue(MAX_WAITING);
  let kerberos: Kerberos | undefined;
  let known: Keytab | undefined;

  return {
    selectKeytab: () => known?.select(),
    at(listener, { keytab, principal }) {
      kerberos ??= load();
      known = keytab;
      const { accept } = kerberos;
      const isOurs = (service: string) => (principal === undefined ? service.startsWith('HTTP/') : principal.includes(service));

      function verdictOn({ principal: name, service, answer }: Accepted, answerField: string): Verdict {
        if (!isOurs(service)) return refuse('other_service', name);
        const caller = callerOf(name);
        if (caller === undefined) return refuse('unknown_principal', name);
        // Good for this request, and no longer: a proxy that asks must not let others in by it.
        const endsAt = clock.now();
        // RFC 4559 §4.1: it proves us to the caller.
        return answer === undefined ? { ...caller, endsAt } : { ...caller, endsAt, answer: [answerField, `Negotiate ${answer}`] };
      }

      function refuse(fault: NegotiateFault, name?: string): Verdict {
        observer.refused(listener, fault, name);
        if (UNVERIFIABLE.has(fault)) throw unverifiable();
        return 'refused';
      }

      return (authorization, from, answerField) => {
        const read = readNegotiateToken(authorization);
        if ('fault' in read) return refuse(read.fault);
        const judged = queue.run(from, () => accept(read.token));
        // What comes too late is lost: the caller has been told to try again.
        const inTime = within(clock, DEADLINE_MS, judged, () => ({ fault: 'no_answer' }) as const);
        return inTime.then((found) => ('fault' in found ? refuse(found.fault) : verdictOn(found, answerField)));
      };
    },
  };
}

/** Of callers that a principal fits, the narrowest is meant. */
function createPrincipalMatcher(callers: NegotiateCheckOptions['callers']): (principal: string) => Caller | undefined {
  const known = Object.entries(callers)
    .flatMap(([name, { negotiate }]) => (negotiate === undefined ? [] : [{ name, principals: negotiate.principal }]))
    .sort((a, b) => narrowerFirst(demandOf(a.name, a.principals), demandOf(b.name, b.principals)))
    .map(({ name, principals }) => ({
      caller: { name, method: 'negotiate' } satisfies Caller,
      patterns: principals.map(principalPattern),
    }));
  return (principal) => known.find(({ patterns }) => patterns.some((pattern) => pattern.test(principal)))?.caller;
}

function demandOf(name: string, principals: readonly string[]): Demand {
  return { name, conditions: [{ values: principals.length, patterns: principals.filter((principal) => principal.includes('*')) }] };
}

/** Whether a ticket is good is not known without keys, so it is neither refused nor let in. */
function unverifiable(): BrokerError {
  return new BrokerError('CALLER_UNVERIFIABLE', 'tickets of Kerberos cannot be verified at the moment: try again later', {
    stage: 'caller',
    retryAfterSeconds: RETRY_AFTER_SECONDS,
  });
}
