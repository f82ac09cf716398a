import { rename, rm, writeFile } from 'node:fs/promises';
import { describe, expect, test } from '@jest/globals';
import { formatProblem } from '../../src/config/problem.ts';
import { bent, type Loose, load, PASSWORD_HASH, said, useDirectory, verdict } from './fixture.ts';

const BCRYPT = '$2y$10$N9qo8uLOickgx2ZMRZoMyeIjZAgcfl7p92ldGxad68LJZdL17lhWy';

const directory = useDirectory();
let count = 0;

async function judged(text: string | undefined, bend: (config: Loose) => void = () => {}) {
  count += 1;
  const htpasswd = directory.path(`${count}.htpasswd`);
  if (text !== undefined) await writeFile(htpasswd, text);
  const config = bent((raw) => {
    raw['callersFile'] = `${count}.htpasswd`;
    bend(raw);
  });
  return { htpasswd, file: directory.path(`${count}.json`), config };
}

async function saidOf(text: string | undefined, bend?: (config: Loose) => void): Promise<string[]> {
  const { file, config } = await judged(text, bend);
  const { problems, warnings } = await verdict(file, config);
  return said([...problems, ...warnings]);
}

describe('callersFile', () => {
  test('adds callers that routes can name, and "*" means', async () => {
    const text = `# a comment\nann:${BCRYPT}\nbob:${PASSWORD_HASH}:a remark\n`;
    expect(await saidOf(text, ({ routes }) => routes.orders.callers.push('ann', 'bob'))).toEqual([]);
    expect(await saidOf(text, ({ routes }) => routes.orders.callers.push('*'))).toEqual([]);
  });

  test('a route that names nobody of it is warned of, with who may have been meant: taking a user out must fail no start', async () => {
    const { file, config } = await judged(`reporting:${BCRYPT}`, ({ routes }) => routes.orders.callers.push('reportng', 'zacharias'));
    const { problems, warnings } = await verdict(file, config);
    expect(problems).toEqual([]);
    expect(said(warnings)).toEqual([
      'routes.orders.callers[1] names caller "reportng", whom neither "callers" nor "callersFile" has; did you mean "reporting"?',
      'routes.orders.callers[2] names caller "zacharias", whom neither "callers" nor "callersFile" has',
    ]);
  });

  test('may be empty, or the only one to name callers', async () => {
    expect(await saidOf('')).toEqual([]);
    const only = (config: Loose) => {
      delete config['callers'];
      config['routes'].orders.callers = ['ann'];
    };
    expect(await saidOf(`ann:${BCRYPT}`, only)).toEqual([]);
  });

  test.each([
    ['no file', undefined, 'does not exist; relative paths begin at the directory of the config'],
    ['a line that is no entry', 'ann', 'number 1\\) whose hash is not a password hash that can be used; give'],
    ['a name that routes cannot list', `a b:${BCRYPT}`, 'number 1\\) whose user is not a usable name; use'],
    [
      'a name of nobody',
      `\n\nanonymous:${BCRYPT}`,
      'number 3\\) whose user has the name of those who are not authenticated; choose another',
    ],
    ['a user twice', `ann:${BCRYPT}\nann:${BCRYPT}`, 'number 2\\) whose user is there already; remove one of the two'],
    ['a caller of the config', `app:${BCRYPT}`, 'number 1\\) whose user is one of "callers" too; remove one of the two'],
    ['MD5 of Apache', 'ann:$apr1$5UWv3C1h$0Mb2Ozqb.K0QzVpWqvGrh.', 'number 1\\) whose hash is a hash of an old kind.*htpasswd -B'],
    ['SHA-1', 'ann:{SHA}W6ph5Mm5Pz8GgiULbPgzG37mj9g=', 'hash of an old kind'],
    ['DES', 'ann:rl/IlBpWmvMw2', 'hash of an old kind'],
    ['SHA-512 of crypt(3)', 'ann:$6$saltstring$svn8UoSVapNtMuq1ukKS4tPQd8iKwSMHWjlO/O817G3uBnIFNjnQJu', 'hash of an old kind'],
    ['a plain password', 'ann:hunter2', 'whose hash is not a password hash'],
    ['bcrypt that takes too long', `ann:${BCRYPT.replace('$10$', '$16$')}`, 'htpasswd -B -C 10", of a cost from 4 to 15'],
  ])('%s is told by its line, and quoted nowhere', async (_what, text, expected) => {
    const [first = '', ...more] = await saidOf(text);
    expect(first).toMatch(new RegExp(`^callersFile names a file that .*${expected}`));
    expect(more).toEqual([]);
    for (const secret of ['hunter2', 'ann', BCRYPT]) expect(first).not.toContain(secret);
  });

  test('a user name of a caller in the config is taken too', async () => {
    const bend = ({ callers }: Loose) => {
      callers.app.basic.username = 'svc_app';
    };
    expect(await saidOf(`svc_app:${BCRYPT}`, bend)).toEqual([expect.stringContaining('one of "callers" too')]);
  });

  test('what routes name is not judged while the file cannot be read', async () => {
    expect(await saidOf('ann', ({ routes }) => routes.orders.callers.push('ann'))).toHaveLength(1);
  });

  test('a changed file is taken over, a broken or missing one keeps the old content and is told once', async () => {
    const { file, htpasswd, config } = await judged(`ann:${BCRYPT}`);
    const loaded = await load(file, config);
    const problems: string[] = [];
    const happened = { told: Promise.withResolvers<void>(), filled: Promise.withResolvers<void>() };
    const watch = loaded.watch({
      intervalMs: 10,
      onProblem: (problem) => {
        problems.push(formatProblem(problem));
        happened.told.resolve();
      },
    });
    const { callersFile } = loaded.config;
    callersFile?.onChange(() => happened.filled.resolve());
    const replace = async (text: string) => {
      await writeFile(`${htpasswd}.new`, text);
      await rename(`${htpasswd}.new`, htpasswd);
    };
    await replace(`app:${BCRYPT}`);
    await happened.told.promise;
    expect(callersFile?.reveal()).toBe(`ann:${BCRYPT}`);
    await replace('');
    await happened.filled.promise;
    expect(callersFile?.reveal()).toBe('');
    happened.told = Promise.withResolvers();
    await rm(htpasswd);
    await happened.told.promise;
    watch.stop();
    expect(problems).toEqual([
      expect.stringContaining('"callersFile" names a file that has a line (number 1) whose user is one of "callers" too'),
      expect.stringContaining('"callersFile" names a file that does not exist'),
    ]);
    expect(callersFile?.reveal()).toBe('');
  });
});
