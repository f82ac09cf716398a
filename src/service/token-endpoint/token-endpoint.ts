/** A token endpoint for our callers: `/tokens/NAME` hands out a token of the config as an authorization server would (RFC 6749 §4.4). */

import type { Clock } from '../../clock.ts';
import type { ListenerConfig } from '../../config/schema/listeners.ts';
import type { Config } from '../../config/schema/root.ts';
import { BrokerError, toBrokerError } from '../../errors.ts';
import { type AccessRecord, refuse, type Stages } from '../../exchange.ts';
import type { CallerRequest, Reply } from '../../message.ts';
import { replyTo } from '../../reply-to.ts';
import type { CachedToken } from '../../token/cached.ts';
import type { Token } from '../../token/token.ts';
import type { Tokens } from '../../token/tokens.ts';
import type { Service } from '../service.ts';
import { answerJson, answerToken, toOAuthError } from './answers.ts';
import { askingCaller } from './client-credentials.ts';
import { type Form, invalid, readForm } from './form.ts';
import { askedMetadata } from './metadata.ts';
import { askedToken, createOffer, type Offer } from './offer.ts';

export interface TokenEndpointParts {
  readonly config: Pick<Config, 'tokens'>;
  readonly tokens: Pick<Tokens, 'source'>;
  readonly authenticate: Stages['authenticate'];
  /** Of the listener. */
  readonly ways: ListenerConfig['authenticate'];
  /** For the form of a request to be there. */
  readonly formTimeoutMs: number;
  readonly clock: Clock;
}

/** `expires_in` is a whole number, and a token that is at its end already is of no use to whoever has to send it first. */
const LEAST_MS = 1_000;

/** A token that is no older and was refused is not what is wrong: a caller that says so again and again must not cost a grant each time. */
const NEW_MS = 30_000;

const NO_FORM: Form = new Map();

/** A token that this caller may have. */
interface Asked {
  readonly name: string;
  readonly form: Form;
  /** See `answerToken`. */
  readonly originField: string | undefined;
}

export class TokenEndpoint implements Service {
  readonly #parts: TokenEndpointParts;
  readonly #offer: Offer;

  constructor(parts: TokenEndpointParts) {
    this.#parts = parts;
    this.#offer = createOffer(parts.config.tokens);
  }

  async handle(request: CallerRequest, reply: Reply, record: AccessRecord): Promise<void> {
    let answer = reply;
    try {
      const metadata = askedMetadata(request, this.#parts.ways);
      if (metadata !== undefined) {
        record.status = answerJson(request, reply, metadata);
        return;
      }
      const name = askedToken(request);
      const form = await this.#formOf(request);
      const caller = await askingCaller(request, form, this.#parts.authenticate);
      record.caller = caller.name;
      answer = replyTo(caller, reply);
      if (request.method === 'POST') checkGrantType(form);
      const { upstreamFrom } = this.#offer(name, caller);
      await this.#handOut(request, answer, record, { name, form, originField: upstreamFrom?.field });
    } catch (cause) {
      refuse(request, answer, toBrokerError(cause), record, toOAuthError);
    }
  }

  refuse: Service['refuse'] = (request, reply, error, record) => refuse(request, reply, error, record, toOAuthError);

  async #handOut(request: CallerRequest, reply: Reply, record: AccessRecord, { name, form, originField }: Asked): Promise<void> {
    const source = this.#parts.tokens.source(name);
    const held = source.peek(LEAST_MS) ?? (await source.get(request, LEAST_MS));
    const token = form.get('refused_token') === held.reveal() ? await this.#another(source, held) : held;
    checkScope(form.get('scope'), token);
    const expiresIn = wholeSeconds(source.sendableMs(token));

    if (request.abandoned) {
      record.cut = 'caller';
      return;
    }
    record.token = token;
    record.status = answerToken(request, reply, token, { expiresIn, originField });
  }

  /** An upstream refused this one, as its caller says: another, or the same where there is none to be had. */
  async #another(source: CachedToken, refused: Token): Promise<Token> {
    if (refused.ageMs(this.#parts.clock) < NEW_MS) return refused;
    return (await source.replace(refused)) ?? refused;
  }

  async #formOf(request: CallerRequest): Promise<Form> {
    const { formTimeoutMs, clock } = this.#parts;
    if (request.method === 'POST') return readForm(request, formTimeoutMs, clock);
    if (request.body !== undefined) throw invalid('the request has a body: send parameters by POST');
    return NO_FORM;
  }
}

function checkGrantType(form: Form): void {
  const grantType = form.get('grant_type');
  if (grantType === undefined) throw invalid('the form has no "grant_type": send "client_credentials"');
  if (grantType !== 'client_credentials')
    throw invalid('the "grant_type" is not one that is answered here: send "client_credentials"', 'unsupported_grant_type');
}

/** What the token is good for is for the config to say: asking for less does not make it less (RFC 6749 §3.3). */
function checkScope(asked: string | undefined, { scope = '' }: Token): void {
  const granted = new Set(scope.split(' '));
  if (asked?.split(' ').every((each) => granted.has(each)) === false)
    throw invalid('the "scope" holds more than the token has: ask for less, or leave it out', 'invalid_scope');
}

function wholeSeconds(ms: number): number {
  const seconds = Math.floor(ms / 1_000);
  if (seconds > 0) return seconds;
  throw new BrokerError('TOKEN_UNAVAILABLE', 'the token ends within a second: try again', { stage: 'token', retryAfterSeconds: 1 });
}
