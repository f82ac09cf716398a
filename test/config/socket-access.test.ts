import { readFile } from 'node:fs/promises';
import { describe, expect, test } from '@jest/globals';
import { bent, load, said, useDirectory, verdict } from './fixture.ts';

const directory = useDirectory();
const file = () => directory.path('sidecar.config.json');

/** Name and number of the last entry of `/etc/passwd` or `/etc/group`. */
async function someEntry(path: string): Promise<{ name: string; id: number }> {
  const lines = (await readFile(path, 'utf8')).split('\n').filter((line) => /^\w[\w.-]*:[^:]*:\d+:/.test(line));
  const [name = '', , id] = lines.at(-1)?.split(':') ?? [];
  return { name, id: Number(id) };
}

const owned = (owner: unknown) =>
  bent((draft) => {
    draft['listeners'].local = { address: 'unix:/run/broker.sock', authenticate: ['anonymous'], owner };
    draft['routes'].orders.callers = ['anonymous'];
    draft['callers'] = {};
  });

async function idsOf(owner: string): Promise<[number | undefined, number | undefined]> {
  const { config } = await load(file(), owned(owner));
  const found = config.listeners['local']?.owner;
  return [found?.uid, found?.gid];
}

describe('the owner of a Unix socket', () => {
  test('is found by number, and by the names of this machine; what is not given stays', async () => {
    const [user, group] = await Promise.all([someEntry('/etc/passwd'), someEntry('/etc/group')]);
    expect(await idsOf('1000:2000')).toEqual([1000, 2000]);
    expect(await idsOf(`${user.name}:${group.name}`)).toEqual([user.id, group.id]);
    expect(await idsOf(user.name)).toEqual([user.id, -1]);
    expect(await idsOf(':2000')).toEqual([-1, 2000]);
  });

  test.each([
    ['nobody-at-all:0', 'names user "nobody-at-all", whom /etc/passwd does not know; correct the name, or give the number'],
    [':no-such-group', 'names group "no-such-group", whom /etc/group does not know; correct the name, or give the number'],
    ['4294967295', 'names a user by a number that is too large'],
    ['', 'is not an owner; write "user:group", "user" or ":group", by name or number'],
    ['app:', 'is not an owner; write "user:group", "user" or ":group", by name or number'],
    ['a b', 'is not an owner; write "user:group", "user" or ":group", by name or number'],
    [1000, 'must be a string such as "app:app"'],
  ])('cannot be %j', async (owner, message) => {
    expect(said((await verdict(file(), owned(owner))).problems)).toEqual([`listeners.local.owner ${message}`]);
  });

  test('and its mode are warned about where there is no such socket', async () => {
    const access = { owner: '1000', mode: '0660' };
    const config = bent((draft) => {
      Object.assign(draft['listeners'].local, access);
      draft['admin'] = access;
      draft['probes'] = { ...access, address: 'unix:/run/probes.sock' };
    });
    const paths = (await verdict(file(), config)).warnings.map(({ path }) => path);
    expect(paths.sort()).toEqual(['admin.mode', 'admin.owner', 'listeners.local.mode', 'listeners.local.owner']);
  });
});
