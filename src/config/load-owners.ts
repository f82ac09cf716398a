/** Gives the owners of Unix sockets their numbers, by the files in which a system keeps its users and groups. */

import { type Finding, problem } from './problem.ts';
import { readTextFile } from './read-file.ts';
import { SocketOwner } from './socket-owner.ts';
import { type Placed, valuesIn } from './values-in.ts';

const FILES = { user: '/etc/passwd', group: '/etc/group' } as const;

type Kind = keyof typeof FILES;

/** More than any file of a machine that keeps its users there. */
const MAX_MIB = 16;

/** Resolves them in place. */
export async function loadOwners(config: object): Promise<Finding[]> {
  return (await Promise.all(valuesIn(config, SocketOwner).map(resolve))).flat();
}

async function resolve({ value: owner, path }: Placed<SocketOwner>): Promise<Finding[]> {
  const [uid, gid] = await Promise.all([numberOf('user', owner.user), numberOf('group', owner.group)]);
  const found = { uid, gid };
  if (typeof uid !== 'string' && typeof gid !== 'string') owner.resolve(found as { uid?: number; gid?: number });
  return Object.values(found).flatMap((fault) => (typeof fault === 'string' ? [problem(path, fault)] : []));
}

/** The number, or what is wrong with the name. */
async function numberOf(kind: Kind, name: string | undefined): Promise<number | string | undefined> {
  if (name === undefined) return undefined;
  // The greatest number means "as it is" to the system (chown(2)).
  if (/^\d+$/.test(name)) return Number(name) < 0xffff_ffff ? Number(name) : `names a ${kind} by a number that is too large`;
  const file = await readTextFile(FILES[kind], MAX_MIB);
  const entry = file.fault === undefined ? file.text.split('\n').find((line) => line.startsWith(`${name}:`)) : undefined;
  const id = entry?.split(':')[2] ?? '';
  return /^\d+$/.test(id) ? Number(id) : `names ${kind} "${name}", whom ${FILES[kind]} does not know; correct the name, or give the number`;
}
