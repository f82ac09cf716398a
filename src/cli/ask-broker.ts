/** The `--admin URL` of commands that talk to a running broker, and how they ask it. */

import { InvalidArgumentError, Option } from 'commander';
import { type AdminAnswer, type AdminPlace, type AdminQuestion, ask } from '../admin/admin-request.ts';
import { placeOf } from '../wire/place.ts';

/** Nobody answers; its message is for whoever typed the command. */
export class NoBroker extends Error {}

export function adminOption(): Option {
  return new Option('--admin <url>', 'the admin address, or unix:PATH').default('http://127.0.0.1:9099').argParser(adminUrl);
}

/** @param admin as `adminOption` took it. Rejects with `NoBroker`. */
export async function askBroker(admin: string, question: AdminQuestion): Promise<AdminAnswer> {
  try {
    return await ask(placeIn(admin), question);
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    throw new NoBroker(`no broker answers at ${admin} (${code ?? message}); --admin names its "admin.address"`, { cause: error });
  }
}

function adminUrl(text: string): string {
  const isUrl = URL.canParse(text) && new URL(text).protocol === 'http:';
  if (!isUrl && !/^unix:./.test(text)) throw new InvalidArgumentError('write http://HOST:PORT or unix:PATH, as in "admin.address".');
  return text;
}

function placeIn(admin: string): AdminPlace {
  return admin.startsWith('unix:') ? { socketPath: admin.slice('unix:'.length), host: 'localhost' } : placeOf(admin);
}
