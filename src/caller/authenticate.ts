/** The caller stage: tries the listener's ways to authenticate, in order; whom none of them knows is refused. */

import { type Clock, systemClock } from '../clock.ts';
import type { CallerConfig } from '../config/schema/callers.ts';
import type { ListenerConfig } from '../config/schema/listeners.ts';
import { BrokerError } from '../errors.ts';
import type { CallerRequest } from '../message.ts';
import { parseBasic } from './basic.ts';
import type { Caller, Verdict } from './caller.ts';
import {
  BASIC_CHALLENGE,
  BEARER_CHALLENGE,
  challengeField,
  challengeFor,
  credentialsOf,
  INVALID_TOKEN_CHALLENGE,
  NEGOTIATE_CHALLENGE,
  namesScheme,
  type Scheme,
} from './challenge.ts';
import type { JwtCheck } from './jwt.ts';
import { createCertificateCheck } from './mtls.ts';
import type { NegotiateCheck } from './negotiate.ts';
import type { PasswordCheck } from './password-check.ts';

/**
 * Says who sent the request: at once for a caller that is remembered, later where a password must be hashed first. Throws
 * or rejects with CALLER_UNAUTHENTICATED, CALLER_UNVERIFIABLE where keys cannot be had, or BROKER_OVERLOADED where too many
 * wait.
 */
export type Authenticator = (request: Asking) => Caller | Promise<Caller>;

/** What of a request tells who sent it. */
type Asking = Pick<CallerRequest, 'authority' | 'fields' | 'peer'>;

export interface AuthenticatorOptions {
  /** Of the listener, for the log. */
  readonly name?: string;
  readonly listener: ListenerConfig;
  readonly callers: Readonly<Record<string, CallerConfig>>;
  readonly clock?: Clock;
  /** Shared by the listeners of one broker, so that hashing is bounded and remembered for all of them together. */
  readonly passwords: PasswordCheck;
  /** The same for tokens; needed where the listener takes any. */
  readonly jwts?: JwtCheck;
  /** The same for tickets. */
  readonly negotiate?: NegotiateCheck;
  /** @param fault one of `CertificateFault`, or a code of OpenSSL */
  readonly onCertificateRefused?: (listener: string, fault: string) => void;
}

/** One way to authenticate: `none` when the request carries no credentials of this kind. */
type Way = (request: Asking) => Verdict | 'none' | Promise<Verdict>;

const ANONYMOUS: Caller = { name: 'anonymous', method: 'anonymous' };

const PASSED_THROUGH: Caller = { name: 'basic-passthrough', method: 'basic-passthrough' };

/** One for each listener, by its name. Throws where the program lacks what one of them needs. */
export function createAuthenticators(
  listeners: Readonly<Record<string, ListenerConfig>>,
  options: Omit<AuthenticatorOptions, 'name' | 'listener'>,
): Map<string, Authenticator> {
  return new Map(Object.entries(listeners).map(([name, listener]) => [name, createAuthenticator({ ...options, name, listener })]));
}

export function createAuthenticator(options: AuthenticatorOptions): Authenticator {
  const ways = options.listener.authenticate.map((name) => wayOf(name, options));
  // Whatever its place in the list: before the others it would let wrong credentials pass as nobody's.
  const acceptsAnonymous = options.listener.authenticate.includes('anonymous');

  const callerOf = (verdict: Verdict, request: Asking): Caller => {
    if (verdict === 'refused') throw unauthenticated(options.listener.authenticate, request);
    return verdict;
  };

  return (request) => {
    for (const way of ways) {
      const finding = way(request);
      if (finding === 'none') continue;
      return typeof finding === 'object' && 'then' in finding
        ? finding.then((verdict) => callerOf(verdict, request))
        : callerOf(finding, request);
    }
    return callerOf(acceptsAnonymous ? ANONYMOUS : 'refused', request);
  };
}

function wayOf(name: ListenerConfig['authenticate'][number], options: AuthenticatorOptions): Way {
  switch (name) {
    case 'basic':
      return rememberingWay('basic', options.passwords);
    case 'mtls':
      return mtlsWay(options);
    case 'jwt':
      return rememberingWay('bearer', options.jwts as JwtCheck);
    case 'negotiate':
      return negotiateWay(options);
    case 'basic-passthrough':
      return passthroughWay();
    case 'anonymous':
      return () => 'none';
  }
}

/** Credentials of another scheme are the application's own affair with the upstream, so they do not keep a caller from being anonymous. */
function schemeWay(scheme: Scheme, judge: (authorization: string, request: Asking) => Verdict | Promise<Verdict>): Way {
  return (request) => {
    const authorization = credentialsOf(request);
    return authorization !== undefined && namesScheme(authorization, scheme) ? judge(authorization, request) : 'none';
  };
}

/** A bearer token where such are taken was meant for us: one that is not good is refused, never taken for the application's own. */
function rememberingWay(scheme: Scheme, check: PasswordCheck | JwtCheck): Way {
  return schemeWay(scheme, (authorization, { authority, fields }) =>
    check.judge(authorization, authority === undefined ? fields : undefined),
  );
}

/** A ticket is good once: nothing is remembered, and who proves itself again has an answer of its own. */
function negotiateWay({ name: listener = '', listener: { negotiate }, negotiate: check }: AuthenticatorOptions): Way {
  const judge = (check as NegotiateCheck).at(listener, negotiate as NonNullable<ListenerConfig['negotiate']>);
  return schemeWay('negotiate', (authorization, request) => judge(authorization, request.peer.address, challengeField(request)));
}

/** Whoever it says it is: the authorization server judges, when the token is made from these credentials. */
function passthroughWay(): Way {
  return schemeWay('basic', (authorization) => (parseBasic(authorization) === undefined ? 'refused' : PASSED_THROUGH));
}

/** A certificate that does not verify, or that no caller has, is refused: it was presented to be known by. */
function mtlsWay({ name = '', callers, clock = systemClock, onCertificateRefused: onRefused = () => {} }: AuthenticatorOptions): Way {
  const check = createCertificateCheck(callers, (fault) => onRefused(name, fault));
  return ({ peer: { certificate } }) => {
    if (certificate === undefined) return 'none';
    if (!('unverified' in certificate)) return check(certificate, clock.now());
    onRefused(name, certificate.unverified.toLowerCase());
    return 'refused';
  };
}

/** One text for every reason: which part was wrong is nobody's business but the log's. */
function unauthenticated(ways: ListenerConfig['authenticate'], request: Asking): BrokerError {
  const challenges = ways.flatMap((way) => challengesOf(way, request));
  return challenges.length > 0
    ? challengeFor(request, 'the credentials are missing or wrong: send those of a configured caller', challenges)
    : new BrokerError('CALLER_UNAUTHENTICATED', 'the client certificate is missing or not accepted: present that of a configured caller', {
        stage: 'caller',
        status: 403,
      });
}

function challengesOf(way: ListenerConfig['authenticate'][number], request: Asking): string[] {
  if (way === 'basic' || way === 'basic-passthrough') return [BASIC_CHALLENGE];
  if (way === 'negotiate') return [NEGOTIATE_CHALLENGE];
  if (way !== 'jwt') return [];
  return [namesScheme(credentialsOf(request) ?? '', 'bearer') ? INVALID_TOKEN_CHALLENGE : BEARER_CHALLENGE];
}
