/** Answers → the text of a config with comments. */

import { type Answers, nameFor } from './questions.ts';

/** @param passwordHash of the caller, where that has a password */
export function starterConfig(answers: Answers, passwordHash: string | undefined): string {
  const name = nameFor(answers.path);
  const sections = [
    '  // For editors; "token-broker schema > sidecar.schema.json" writes it.\n  "$schema": "./sidecar.schema.json"',
    section('Where your application connects, and how it proves who it is.', 'listeners', { local: listener(answers) }),
    ...callers(answers, passwordHash),
    section('Who issues tokens.', 'authorizationServers', {
      [name]: answers.issuer === '' ? { tokenEndpoint: answers.tokenEndpoint } : { issuer: answers.issuer },
    }),
    section('What to obtain, and as whom.', 'tokens', { [name]: token(answers, name) }),
    section(`Which caller may go where: ${routeInWords(answers)}.`, 'routes', { [name]: route(answers, name) }),
    ...store(answers),
    section('Probes, metrics, actions, and a page that shows the life of each token.', 'admin', { address: '127.0.0.1:9099' }),
  ];
  return `// Written by "token-broker init". Every key is described in docs/configuration.md.\n{\n${sections.join(',\n\n')}\n}\n`;
}

function section(comment: string, key: string, value: object): string {
  return `  // ${comment}\n  ${JSON.stringify(key)}: ${broken(value, '  ')}`;
}

const LONGEST_LINE = 120;

/** An object with each entry on a line of its own. */
function broken(value: object, indent: string): string {
  const inner = `${indent}  `;
  const entries = Object.entries(value).map(([key, child]) => {
    const line = `${inner}${JSON.stringify(key)}: ${onOneLine(child)}`;
    const fits = line.length <= LONGEST_LINE || typeof child !== 'object' || Array.isArray(child);
    return fits ? line : `${inner}${JSON.stringify(key)}: ${broken(child as object, inner)}`;
  });
  return `{\n${entries.join(',\n')}\n${indent}}`;
}

function onOneLine(value: unknown): string {
  if (typeof value !== 'object' || value === null) return JSON.stringify(value);
  if (Array.isArray(value)) return `[${value.map(onOneLine).join(', ')}]`;
  return `{ ${Object.entries(value)
    .map(([key, child]) => `${JSON.stringify(key)}: ${onOneLine(child)}`)
    .join(', ')} }`;
}

function listener({ listen, authenticate, keytab, tlsCertFrom, tlsKeyFrom, tlsClientCaFrom }: Answers): object {
  const tls = tlsCertFrom !== '' && {
    tls: {
      cert: reference(tlsCertFrom),
      key: reference(tlsKeyFrom),
      ...(tlsClientCaFrom !== '' && { clientCa: reference(tlsClientCaFrom) }),
    },
  };
  return { address: listen, authenticate: [authenticate], ...(keytab !== '' && { negotiate: { keytab } }), ...tls };
}

function callers(answers: Answers, passwordHash: string | undefined): string[] {
  const { authenticate, callersFile, caller, callerCertificate, callerPrincipal: principal } = answers;
  if (callersFile !== '') return [`  // Who that is: each user of this file.\n  "callersFile": ${JSON.stringify(callersFile)}`];
  if (authenticate === 'basic') {
    const comment = 'Who that is. "token-broker hash-password" makes the hash of another password.';
    return [section(comment, 'callers', { [caller]: { basic: { passwordHash } } })];
  }
  if (authenticate === 'negotiate')
    return [section('Who that is: whose ticket it has.', 'callers', { [caller]: { negotiate: { principal } } })];
  if (authenticate === 'jwt') {
    const { callerIssuer: issuer, callerAudience: audience, callerSubject: sub } = answers;
    return [section('Who that is: a JWT that says all of this.', 'callers', { [caller]: { jwt: { issuer, audience, claims: { sub } } } })];
  }
  if (authenticate !== 'mtls') return [];
  const [, kind = '', value] = /^([A-Za-z]+):(.+)$/.exec(callerCertificate) ?? [];
  return [section('Who that is: a certificate that says all of this.', 'callers', { [caller]: { mtls: { [kind]: value } } })];
}

function token(answers: Answers, authorizationServer: string): object {
  const { grant, clientId, clientAuthentication: method, scope } = answers;
  const proof = Object.entries({ secret: answers.secretFrom, certificate: answers.certificateFrom, key: answers.keyFrom });
  const owner = { username: reference(answers.usernameFrom), password: reference(answers.passwordFrom) };
  return {
    authorizationServer,
    grant,
    clientId,
    clientAuthentication: {
      method,
      ...Object.fromEntries(proof.filter(([, from]) => from !== '').map(([key, from]) => [key, reference(from)])),
    },
    ...(grant === 'password' && { resourceOwner: owner }),
    ...(scope !== '' && { scope }),
  };
}

function route({ path, upstream, authenticate, callersFile, caller }: Answers, name: string): object {
  const open = authenticate === 'anonymous' ? 'anonymous' : callersFile === '' ? caller : '*';
  return { path, callers: [open], token: name, upstream };
}

/** No line break can stand here: both were found to be a path and a URL, or are shown to nobody. */
function routeInWords({ path, upstream }: Answers): string {
  const [below, there] = [path, upstream].map((text) => text.replace(/[\p{Cc}\u2028\u2029]/gu, '').replace(/\/$/, ''));
  return `${below}/42 becomes ${there}/42`;
}

function store({ redisFrom, storeKeyFrom }: Answers): string[] {
  if (redisFrom === '') return [];
  const keys = [{ id: 'first', key: reference(storeKeyFrom) }];
  return [section('Where replicas share tokens.', 'store', { redis: { url: reference(redisFrom) }, encryption: { keys } })];
}

const REFERENCE = /^(?:env:([A-Za-z_]\w*)|file:(.+))$/;

/** Whether an answer says where something stands. */
export function isReference(text: string): boolean {
  return REFERENCE.test(text);
}

/** `env:NAME` and `file:PATH` as the config writes them. */
export function reference(text: string): { readonly fromEnv?: string; readonly fromFile?: string } {
  const [, fromEnv, fromFile] = REFERENCE.exec(text) ?? [];
  return fromEnv === undefined ? { fromFile: fromFile ?? '' } : { fromEnv };
}
