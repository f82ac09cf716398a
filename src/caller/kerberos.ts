/** The Kerberos library, by an npm package that is there only where somebody has put it: loaded when a listener needs it. */

import { createRequire } from 'node:module';
import { BrokerError } from '../errors.ts';

/** Whose ticket it was, for whom, and what proves us to its owner. */
export interface Accepted {
  /** `NAME@REALM`. */
  readonly principal: string;
  /** Of ours, whose key opened the ticket. */
  readonly service: string;
  /** In base64; absent where the owner did not ask. */
  readonly answer: string | undefined;
}

/** Why a ticket was not accepted. The last two are troubles of ours: nothing is known of the ticket then. */
export type TicketFault =
  | 'clock_skew'
  | 'replay'
  | 'expired'
  | 'not_yet_valid'
  | 'no_key'
  | 'wrong_key'
  | 'not_accepted'
  | 'keytab_unusable'
  | 'replay_cache_unusable';

export interface Kerberos {
  /** Judges a token of Kerberos, in base64, with the keytab that is selected. Runs in the thread pool, for some 0.1 ms. Never rejects. */
  accept(token: string): Promise<Accepted | { readonly fault: TicketFault }>;
}

/** The part of the package that is used here. */
interface Package {
  initializeServer(service: string): Promise<Server>;
}

interface Server {
  step(token: string): Promise<unknown>;
  readonly username: string | null;
  readonly targetName: string | null;
  readonly response: string | null;
  readonly contextComplete: boolean;
}

/** Throws a `BrokerError` where the package is not there, or cannot be loaded. */
export function loadKerberos(): Kerberos {
  const why = whyNoKerberos();
  if (why !== undefined) throw new BrokerError('INTERNAL', `callers are to authenticate by "negotiate", which ${why}`, { stage: 'caller' });
  return kerberosOf(load('kerberos') as Package);
}

/** The end of a sentence about "negotiate", with the way out; `undefined` where all is well. */
export function whyNoKerberos(): string | undefined {
  if (!succeeds(() => load.resolve('kerberos'))) return `needs the npm package "kerberos", which is not there; ${INSTALL}`;
  // Why not is no use: where its binary lacks a library, the package says that another binary is missing.
  return succeeds(() => load('kerberos')) ? undefined : `needs the npm package "kerberos", which is there and cannot be loaded; ${MEND}`;
}

/** The version is the one that this was written for: package.json names it as an optional peer. */
const INSTALL = 'install kerberos@7.0.0 beside token-broker: docs/callers.md, "The Kerberos library", says how';
const MEND = 'install libgssapi_krb5.so.2 of MIT Kerberos and, if it was never compiled, run "npm rebuild kerberos --ignore-scripts=false"';

/** By `require`, since that looks into `NODE_PATH` too. */
const load = createRequire(import.meta.url);

function succeeds(action: () => unknown): boolean {
  try {
    action();
    return true;
  } catch {
    return false;
  }
}

function kerberosOf({ initializeServer }: Package): Kerberos {
  return {
    async accept(token) {
      try {
        // Without a name any key of the keytab will do, and none is looked up by DNS: which it was is compared afterwards.
        const server = await initializeServer('');
        await server.step(token);
        const { username, targetName, response, contextComplete } = server;
        if (!contextComplete || username === null || targetName === null) return { fault: 'not_accepted' };
        return { principal: username, service: targetName, answer: response ?? undefined };
      } catch (cause) {
        return { fault: faultOf(cause) };
      }
    },
  };
}

/**
 * In the words of MIT Kerberos, as 1.18 to 1.21 have them. Those that quote the name of the service come first: whoever made the ticket
 * up has chosen that.
 */
const FAULTS: readonly (readonly [RegExp, TicketFault])[] = [
  [/^Request ticket server .* found in keytab but cannot decrypt ticket$/s, 'wrong_key'],
  [/^Request ticket server /, 'no_key'],
  [/^Clock skew too great$/, 'clock_skew'],
  [/^Request is a replay$/, 'replay'],
  [/^Ticket expired$/, 'expired'],
  [/^Ticket not yet valid$/, 'not_yet_valid'],
  [
    /^(?:Key table entry not found|SPNEGO cannot find mechanisms to negotiate|Improper format of Kerberos configuration file)$/,
    'keytab_unusable',
  ],
  [/^Replay cache |\(filename: .*\)$/, 'replay_cache_unusable'],
];

/** What the mechanism says stands behind what GSS-API says, which has no colon of its own. */
function faultOf(cause: unknown): TicketFault {
  const { message } = cause as { message?: unknown };
  const said = typeof message === 'string' ? message.slice(message.indexOf(': ') + 2) : '';
  return FAULTS.find(([pattern]) => pattern.test(said))?.[1] ?? 'not_accepted';
}
