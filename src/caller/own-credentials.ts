/** The caller's own credentials, where a token is made from them: found in the request, never judged here. */

import type { OwnCredentialsPlace } from '../config/own-credentials.ts';
import type { BrokerError } from '../errors.ts';
import { type CallerRequest, fieldValue, fieldValues } from '../message.ts';
import { parseBasic } from './basic.ts';
import { BASIC_CHALLENGE, BEARER_CHALLENGE, challengeFor, credentialsOf, INVALID_TOKEN_CHALLENGE } from './challenge.ts';

/** What a caller brings. Its secret stands in no message, and is held only as long as a token made from it. */
export interface OwnCredentials {
  /** Absent where the secret alone says whose it is. */
  readonly username: string | undefined;
  /** A password, a token, or the XML of a SAML assertion. */
  readonly secret: string;
  /** What the caller is told when the authorization server does not accept them; `cause` is for the log. */
  readonly refusal: (cause: unknown) => BrokerError;
}

/** Throws CALLER_UNAUTHENTICATED where the request brings none, or malformed ones. */
export type ReadOwnCredentials = (request: CallerRequest) => OwnCredentials;

export interface OwnCredentialsOptions {
  readonly place: OwnCredentialsPlace;
  /** The field holds a SAML assertion in base64 or base64url, not a token. */
  readonly isSaml: boolean;
  /** Names of those where `Authorization` is not ours to judge: a password for the broker must not go to the authorization server. */
  readonly listeners: ReadonlySet<string>;
}

export function readOwnCredentials({ place, isSaml, listeners }: OwnCredentialsOptions): ReadOwnCredentials {
  const { challenge, refusedChallenge, missing } = wordsOf(place);
  const find = finderOf(place, isSaml);
  return (request) => {
    const found = listeners.has(request.listener) ? find(request) : undefined;
    // Only Basic is a proxy's to ask for: a token is the application's own, wherever the request was sent.
    const asked = { authority: place.in === 'basic' ? request.authority : undefined };
    if (found === undefined) throw challengeFor(asked, missing, [challenge]);
    return { ...found, refusal: (cause) => challengeFor(asked, NOT_ACCEPTED, [refusedChallenge], cause) };
  };
}

const NOT_ACCEPTED = 'the authorization server does not accept the credentials: send others, or try again later';

type Found = Pick<OwnCredentials, 'username' | 'secret'>;

function finderOf(place: OwnCredentialsPlace, isSaml: boolean): (request: CallerRequest) => Found | undefined {
  if (place.in === 'basic') return (request) => basicOf(credentialsOf(request) ?? '');
  if (place.in === 'bearer') return ({ fields }) => tokenOf(/^bearer +(\S+)$/i.exec(fieldValue(fields, 'authorization') ?? '')?.[1]);
  const name = place.field.toLowerCase();
  const read = isSaml ? assertionOf : tokenOf;
  return ({ fields }) => read(onlyValue(fields, name));
}

/** An empty password is none (RFC 6749 §3.2), and a directory takes a bind without one for an anonymous one, which succeeds (RFC 4513 §5.1.2). */
function basicOf(authorization: string): Found | undefined {
  const { username, password = '' } = parseBasic(authorization) ?? {};
  return password === '' ? undefined : { username, secret: password };
}

/** As it can stand in a form and in a log of nobody: visible ASCII. */
function tokenOf(text: string | undefined): Found | undefined {
  return text !== undefined && /^[\x21-\x7e]+$/.test(text) ? { username: undefined, secret: text } : undefined;
}

/** Both alphabets of base64, with or without padding; its bytes must be UTF-8, so that they go on as they came. */
function assertionOf(text = ''): Found | undefined {
  const base64url = text
    .replace(/={0,2}$/, '')
    .replaceAll('+', '-')
    .replaceAll('/', '_');
  const xml = Buffer.from(base64url, 'base64url').toString();
  return xml !== '' && Buffer.from(xml).toString('base64url') === base64url ? { username: undefined, secret: xml } : undefined;
}

/** Two of them could be read in two ways. */
function onlyValue(fields: CallerRequest['fields'], lowerCaseName: string): string | undefined {
  const values = fieldValues(fields, lowerCaseName);
  return values.length === 1 ? values[0] : undefined;
}

interface Words {
  readonly challenge: string;
  readonly refusedChallenge: string;
  readonly missing: string;
}

function wordsOf(place: OwnCredentialsPlace): Words {
  switch (place.in) {
    case 'basic':
      return {
        challenge: BASIC_CHALLENGE,
        refusedChallenge: BASIC_CHALLENGE,
        missing:
          "this route needs the caller's own Basic credentials: send user name and password of an account of the authorization server",
      };
    case 'bearer':
      return {
        challenge: BEARER_CHALLENGE,
        refusedChallenge: INVALID_TOKEN_CHALLENGE,
        missing: 'this route needs the caller\'s own token: send it in "Authorization" with the scheme Bearer',
      };
    case 'field': {
      // RFC 9110 §15.5.2 wants a challenge with every 401; no registered scheme speaks of a field.
      const challenge = `Field realm="token-broker", name="${place.field}"`;
      return {
        challenge,
        refusedChallenge: challenge,
        missing: `this route needs the caller's own token or assertion: send it once, complete, in the field "${place.field}"`,
      };
    }
  }
}
