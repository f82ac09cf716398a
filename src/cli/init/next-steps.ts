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
    curl(answers, file),
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

const CREDENTIALS: Readonly<Record<string, (answers: Answers) => string>> = {
  basic: ({ caller }) => ` --user ${quoted(caller || 'app')}`,
  mtls: () => ' --cert APP.crt --key APP.key',
  jwt: () => ' --header "Authorization: Bearer $TOKEN"',
  negotiate: () => ' --negotiate --user :',
};

function curl(answers: Answers, configFile: string): string {
  const { listen, path, authenticate, tlsCertFrom } = answers;
  const scheme = tlsCertFrom === '' ? 'http' : 'https';
  const address = parseAddress(listen);
  const socket = address?.kind === 'unix' ? ` --unix-socket ${quoted(address.path)}` : '';
  const place = socket === '' ? listen.replace(/^(?:0\.0\.0\.0|\[::\]):/, 'localhost:') : 'localhost';
  const port = socket === '' ? place.slice(place.lastIndexOf(':')) : '';
  const call = `curl${CREDENTIALS[authenticate]?.(answers) ?? ''}${trust(tlsCertFrom, configFile)}${socket}`;
  const elsewhere = socket === '' ? ` --connect-to ::${quoted(place)}` : '';
  // A ticket is for the host of the URL, which must be the one that the keytab has a key for.
  if (authenticate === 'negotiate') return `${call}${elsewhere} ${scheme}://$(hostname -f)${port}${quoted(path)}`;
  const otherName = tlsCertFrom === '' ? '' : `   # a certificate for another name:${elsewhere} https://NAME${port}${quoted(path)}`;
  return `${call} ${quoted(`${scheme}://${place}${path}`)}${otherName}`;
}

/** The certificate itself is enough for curl; where it stands in a variable, that is not set in another terminal. */
function trust(certificateFrom: string, configFile: string): string {
  if (certificateFrom === '') return '';
  const { fromFile } = reference(certificateFrom);
  return ` --cacert ${fromFile === undefined ? 'CERTIFICATE-OF-THE-BROKER.crt' : quoted(placeOf(fromFile, configFile))}`;
}

/** One word of a shell. */
function quoted(text: string): string {
  return /^[\w@%+=:,./[\]-]+$/.test(text) ? text : `'${text.replaceAll("'", "'\\''")}'`;
}
