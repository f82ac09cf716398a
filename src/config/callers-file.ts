/** `callersFile`: what its text must look like, and whom it adds to the callers of the config. */

import { passwordHashProblem } from './contents.ts';
import { type HtpasswdEntry, readHtpasswd } from './htpasswd.ts';
import type { Names } from './parse.ts';
import type { Config } from './schema/root.ts';
import { isUnknownCaller, name as nameSchema } from './schema/values.ts';

/** The end of a sentence that begins with the file. It names lines, since what stands in them may be anything. */
export function callersFileProblem(text: string): string | undefined {
  const seen = new Set<string>();
  return firstFault(text, ({ name, passwordHash }) => {
    const fault = nameFault(name) ?? (seen.has(name) ? 'is there already; remove one of the two' : undefined);
    seen.add(name);
    if (fault !== undefined) return `whose user ${fault}`;
    const hashFault = passwordHashProblem(passwordHash);
    return hashFault && `whose hash ${hashFault}`;
  });
}

function nameFault(name: string): string | undefined {
  if (isUnknownCaller(name)) return 'has the name of those who are not authenticated; choose another';
  return nameSchema.safeParse(name).error?.issues[0]?.message;
}

/** Nobody may be two callers: a name of the map, or a user name there, is not taken from the file. */
export function takenNameProblem(text: string, callers: Config['callers']): string | undefined {
  const taken = new Set(Object.entries(callers).flatMap(([name, { basic }]) => [name, basic?.username ?? name]));
  return firstFault(text, ({ name }) => (taken.has(name) ? 'whose user is one of "callers" too; remove one of the two' : undefined));
}

function firstFault(text: string, faultOf: (entry: HtpasswdEntry) => string | undefined): string | undefined {
  for (const entry of readHtpasswd(text)) {
    const fault = faultOf(entry);
    if (fault !== undefined) return `has a line (number ${entry.line}) ${fault}`;
  }
  return undefined;
}

/** The names that a route can list: unknown where the file could not be read. */
export function withFileCallers(names: Names, { callersFile }: Pick<Config, 'callersFile'>): Names {
  if (callersFile === undefined || names.callers === undefined) return names;
  const added = callersFile.filled ? readHtpasswd(callersFile.reveal()).map(({ name }) => name) : undefined;
  return { ...names, callers: added && [...names.callers, ...added] };
}
