/** What `init` must know, in the order in which it asks: the questions, their defaults, and when they need no answer. */

import { isLoopbackHost } from '../../config/loopback.ts';
import { METHODS } from '../../config/schema/client-authentication.ts';
import { parseAddress } from '../../config/schema/values.ts';

const NAMES = [
  'upstream',
  'path',
  'issuer',
  'tokenEndpoint',
  'grant',
  'clientId',
  'clientAuthentication',
  'secretFrom',
  'certificateFrom',
  'keyFrom',
  'usernameFrom',
  'passwordFrom',
  'scope',
  'authenticate',
  'callersFile',
  'caller',
  'callerCertificate',
  'callerPrincipal',
  'keytab',
  'callerIssuer',
  'callerAudience',
  'callerSubject',
  'listen',
  'tlsCertFrom',
  'tlsKeyFrom',
  'tlsClientCaFrom',
  'redisFrom',
  'storeKeyFrom',
] as const;

export type QuestionName = (typeof NAMES)[number];

/** Each as it was given; empty where there is none. */
export type Answers = Readonly<Record<QuestionName, string>>;

/** Methods that the server of the issuer takes; `undefined` where it was not asked. */
export type OfferedMethods = readonly string[] | undefined;

export interface Question {
  /** A few words for the terminal, and for the help of the flag. */
  readonly asks: string;
  readonly choices?: readonly string[];
  /** Whether the answer says where something stands: `env:NAME` or `file:PATH`. */
  readonly isReference?: true;
  /** Taken when nothing is answered; `undefined`: there must be an answer. */
  readonly fallback?: (answers: Answers, offered: OfferedMethods) => string;
  /** Stands in for an answer that is not there yet, so that the others can be judged. */
  readonly example?: string;
  /** What could have been answered before. */
  readonly insteadOf?: QuestionName;
  /** Default: always. */
  readonly isNeeded?: (answers: Answers) => boolean;
}

const NONE = () => '';

/** Those that the broker can do, the most usual first. */
export function firstOffered(offered: OfferedMethods): string {
  return METHODS.find((method) => offered?.includes(method)) ?? METHODS[0];
}

/** What route, token and authorization server are called: the first segment of the path where it can be a name. */
export function nameFor(path: string): string {
  return /^\/([A-Za-z0-9][A-Za-z0-9._-]{0,62})(?:\/|$)/.exec(path)?.[1] ?? 'api';
}

function variable(what: string): (answers: Answers) => string {
  return ({ path }) =>
    `env:${`${nameFor(path)}_${what}`
      .toUpperCase()
      .replace(/[^A-Z0-9]/g, '_')
      .replace(/^(?=\d)/, '_')}`;
}

function isOpen({ listen }: Answers): boolean {
  const address = parseAddress(listen);
  return address?.kind === 'tcp' && !isLoopbackHost(address.host);
}

const byJwt = ({ authenticate }: Answers) => authenticate === 'jwt';
const needsTls = (answers: Answers) => answers.authenticate === 'mtls' || isOpen(answers);

export const QUESTIONS: Readonly<Record<QuestionName, Question>> = {
  upstream: { asks: 'URL of the API', example: 'https://api.example.com' },
  path: { asks: 'path under which your application calls it', fallback: () => '/' },
  issuer: {
    asks: 'issuer of the tokens, whose metadata is discovered (empty: you give a token endpoint)',
    fallback: NONE,
    example: 'https://login.example.com',
    isNeeded: ({ tokenEndpoint }) => tokenEndpoint === '',
  },
  tokenEndpoint: {
    asks: 'token endpoint',
    example: 'https://login.example.com/token',
    insteadOf: 'issuer',
    isNeeded: ({ issuer }) => issuer === '',
  },
  grant: { asks: 'grant', choices: ['client_credentials', 'password'], fallback: () => 'client_credentials' },
  clientId: { asks: 'client id', example: 'client' },
  clientAuthentication: { asks: 'client authentication', choices: METHODS, fallback: (_answers, offered) => firstOffered(offered) },
  secretFrom: {
    asks: 'where the client secret stands',
    isReference: true,
    fallback: variable('client_secret'),
    isNeeded: ({ clientAuthentication }) => clientAuthentication.startsWith('client_secret_'),
  },
  certificateFrom: {
    asks: 'where the client certificate stands',
    isReference: true,
    fallback: () => 'file:client.crt',
    isNeeded: ({ clientAuthentication }) => clientAuthentication.endsWith('tls_client_auth'),
  },
  keyFrom: {
    asks: 'where the private key of the client stands',
    isReference: true,
    fallback: () => 'file:client.key',
    isNeeded: ({ clientAuthentication }) => /^private_key_jwt$|tls_client_auth$/.test(clientAuthentication),
  },
  usernameFrom: {
    asks: 'where the user name of the resource owner stands',
    isReference: true,
    fallback: variable('username'),
    isNeeded: ({ grant }) => grant === 'password',
  },
  passwordFrom: {
    asks: 'where the password of the resource owner stands',
    isReference: true,
    fallback: variable('password'),
    isNeeded: ({ grant }) => grant === 'password',
  },
  scope: { asks: 'scope to ask for (empty: none)', fallback: NONE },
  authenticate: {
    asks: 'how your application authenticates',
    choices: ['basic', 'anonymous', 'mtls', 'jwt', 'negotiate'],
    fallback: () => 'basic',
  },
  callersFile: {
    asks: 'htpasswd file with your applications (empty: one application, with a password made now)',
    fallback: NONE,
    isNeeded: ({ authenticate }) => authenticate === 'basic',
  },
  caller: {
    asks: 'name of your application',
    fallback: () => 'app',
    isNeeded: ({ authenticate, callersFile }) => authenticate !== 'anonymous' && callersFile === '',
  },
  callerCertificate: {
    asks: 'what its certificate says: uri:…, dns:…, commonName:… or fingerprint:…',
    example: 'dns:app.example.com',
    isNeeded: ({ authenticate }) => authenticate === 'mtls',
  },
  callerPrincipal: {
    asks: 'its principal of Kerberos, NAME@REALM',
    example: 'app@EXAMPLE.COM',
    isNeeded: ({ authenticate }) => authenticate === 'negotiate',
  },
  keytab: {
    asks: 'path of the keytab with the key of the broker',
    fallback: () => 'http.keytab',
    isNeeded: ({ authenticate }) => authenticate === 'negotiate',
  },
  callerIssuer: { asks: 'issuer of its JWTs, their "iss"', example: 'https://login.example.com', isNeeded: byJwt },
  callerAudience: { asks: 'their "aud"', fallback: () => 'token-broker', isNeeded: byJwt },
  callerSubject: { asks: 'their "sub" ("*" stands for part of it)', example: 'app', isNeeded: byJwt },
  listen: {
    asks: 'address to listen at',
    fallback: ({ authenticate }) => (authenticate === 'mtls' ? '0.0.0.0:8443' : '127.0.0.1:8080'),
  },
  tlsCertFrom: {
    asks: 'where the certificate of the broker stands',
    isReference: true,
    fallback: () => 'file:tls/server.crt',
    isNeeded: needsTls,
  },
  tlsKeyFrom: { asks: 'where its private key stands', isReference: true, fallback: () => 'file:tls/server.key', isNeeded: needsTls },
  tlsClientCaFrom: {
    asks: 'where the CA of client certificates stands',
    isReference: true,
    fallback: () => 'file:tls/clients-ca.crt',
    isNeeded: ({ authenticate }) => authenticate === 'mtls',
  },
  redisFrom: {
    asks: 'where the URL of a Redis stands, to share tokens among replicas (empty: no Redis)',
    isReference: true,
    fallback: NONE,
  },
  storeKeyFrom: {
    asks: 'where the key stands that encrypts tokens in Redis',
    isReference: true,
    fallback: () => 'env:TOKEN_STORE_KEY',
    isNeeded: ({ redisFrom }) => redisFrom !== '',
  },
};

export const QUESTION_NAMES: readonly QuestionName[] = NAMES;

/** `--token-endpoint` */
export function flagOf(name: QuestionName): string {
  return `--${name.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)}`;
}

/** The question with all that may be answered. */
export function inFull(name: QuestionName): string {
  const { asks, choices, isReference } = QUESTIONS[name];
  return `${asks}${choices === undefined ? '' : ` (${choices.join(', ')})`}${isReference ? ' (env:NAME or file:PATH)' : ''}`;
}

/** With nothing for what is not answered. */
export function withoutGaps(given: Partial<Answers>): Answers {
  return Object.fromEntries(NAMES.map((name) => [name, given[name] ?? ''])) as Record<QuestionName, string>;
}

/** All answers: those given, else what is taken for them. */
export function completed(given: Partial<Answers>, offered: OfferedMethods): Answers {
  const answers: Record<QuestionName, string> = { ...withoutGaps(given) };
  for (const name of NAMES) {
    const { isNeeded = () => true, fallback, example = '' } = QUESTIONS[name];
    if (given[name] === undefined && isNeeded(answers)) answers[name] = fallback?.(answers, offered) ?? example;
  }
  return answers;
}
