/** What to type after `init`: each line as it is typed. */

import { existsSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { parseAddress } from '../../config/schema/values.ts';
import type { Answers, QuestionName } from './questions.ts';
import { reference } from './starter-config.ts';

/** What stands at each of the places that the answers name. */
const MATERIAL: Readonly<Partial<Record<QuestionName, string>>> = {
  secretFrom: 'the client secret',
  certificateFrom: 'the client certificate, PEM',
  keyFrom: 'the private key of the client, PEM',
  usernameFrom: 'the user name of the resource owner',
  passwordFrom: 'the password of the resource owner',
  tlsCertFrom: 'the certificate of the broker, PEM',
  tlsKeyFrom: 'the private key of the broker, PEM',
  tlsClientCaFrom: 'the CA of client certificates, PEM',
  redisFrom: 'such as rediss://redis.example.com:6379',
};

export interface Situation {
  /** Of the config that was written. */
  readonly file: string;
  readonly isDefaultFile: boolean;
  readonly env: NodeJS.ProcessEnv;
}

/** Lines of shell. What is there already is not asked for again. */
export function nextSteps(answers: Answers, situation: Situation): string[] {
  const { file, isDefaultFile, env } = situation;
  // As package.json has it: from a clone the command is one of npm's scripts.
  const isClone = env['npm_lifecycle_event'] === 'token-broker';
  const command = isClone ? 'npm run --silent token-broker --' : 'token-broker';
  const config = isDefaultFile ? '' : ` -c ${quoted(file)}`;
  return [
    ...Object.entries(MATERIAL).flatMap(([name, what]) => {
      return provision(
        answers[name as QuestionName],
        situation,
        (variable) => `export ${variable}='…'   # ${what}`,
        (path) => `cat > ${path})   # paste ${what}, then Ctrl-D`,
      );
    }),
    ...provision(
      answers.storeKeyFrom,
      situation,
      (variable) => `export ${variable}="$(openssl rand -base64 32)"`,
      (path) => `openssl rand -base64 32 > ${path})`,
    ),
    ...kerberosSteps(answers.keytab, file, isClone),
    ...provision(
      answers.callersFile && `file:${answers.callersFile}`,
      situation,
      () => '',
      (path) => `echo "app:$(${command} hash-password)" > ${path})`,
    ),
    `${command} check${config}`,
    `${command} dev${config}   # until Ctrl-C; what follows is for another terminal`,
    ...(answers.authenticate === 'jwt' ? ["export TOKEN='…'   # such a JWT of your application"] : []),
    curl(answers),
  ];
}

function provision(
  from: string,
  { file, env }: Situation,
  setVariable: (name: string) => string,
  writeFile: (path: string) => string,
): string[] {
  if (from === '') return [];
  const { fromEnv, fromFile = '' } = reference(from);
  if (fromEnv !== undefined) return env[fromEnv] === undefined ? [setVariable(fromEnv)] : [];
  const path = placeOf(fromFile, file);
  if (existsSync(path)) return [];
  return [`(umask 077 && mkdir -p ${quoted(dirname(path))} && ${writeFile(quoted(path))}`];
}

function kerberosSteps(keytab: string, configFile: string, isClone: boolean): string[] {
  if (keytab === '') return [];
  const path = placeOf(keytab, configFile);
  const getKey = `(umask 077 && mkdir -p ${quoted(dirname(path))} && kadmin -q "ktadd -k ${path} HTTP/$(hostname -f)")`;
  // npm does not put an optional peer into the clone itself.
  const getLibrary = isClone
    ? 'npm install --prefix tools/kerberos && export NODE_PATH="$PWD/tools/kerberos/node_modules"'
    : 'npm install --global kerberos@7.0.0';
  return [...(existsSync(path) ? [] : [getKey]), `${getLibrary}   # the Kerberos library`];
}

function placeOf(path: string, configFile: string): string {
  return path.startsWith('/') ? path : join(dirname(configFile), path);
}

function curl({ listen, path, authenticate, caller, tlsCertFrom }: Answers): string {
  const credentials: Readonly<Record<string, string>> = {
    basic: ` --user ${quoted(caller || 'app')}`,
    mtls: ' --cert APP.crt --key APP.key --cacert CA-OF-THE-BROKER.crt',
    jwt: ' --header "Authorization: Bearer $TOKEN"',
  };
  const scheme = tlsCertFrom === '' ? 'http' : 'https';
  const address = parseAddress(listen);
  const socket = address?.kind === 'unix' ? ` --unix-socket ${quoted(address.path)}` : undefined;
  const place = socket === undefined ? listen.replace(/^(?:0\.0\.0\.0|\[::\]):/, 'localhost:') : 'localhost';
  if (authenticate !== 'negotiate') return `curl${credentials[authenticate] ?? ''}${socket ?? ''} ${quoted(`${scheme}://${place}${path}`)}`;
  // A ticket is for the host of the URL, which must be the one that the keytab has a key for.
  const port = socket === undefined ? place.slice(place.lastIndexOf(':')) : '';
  return `curl --negotiate --user :${socket ?? ` --connect-to ::${quoted(place)}`} ${scheme}://$(hostname -f)${port}${quoted(path)}`;
}

/** One word of a shell. */
function quoted(text: string): string {
  return /^[\w@%+=:,./[\]-]+$/.test(text) ? text : `'${text.replaceAll("'", "'\\''")}'`;
}
