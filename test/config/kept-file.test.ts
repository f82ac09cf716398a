import { chmod, readdir, stat, writeFile } from 'node:fs/promises';
import { dirname } from 'node:path';
import { expect, test } from '@jest/globals';
import { KeptFile } from '../../src/config/kept-file.ts';
import { useDirectory } from './fixture.ts';

const directory = useDirectory();

test('T13 whoever reads a kept file while it is written sees one text or the other, whole', async () => {
  const file = new KeptFile(directory.path('whole'));
  const texts = ['a', 'b'].map((letter) => letter.repeat(200_000));
  await file.write(texts[0] as string);
  let writing = true;
  const written = (async () => {
    for (let i = 0; i < 50; i += 1) await file.write(texts[i % 2] as string);
    writing = false;
  })();
  const seen = new Set<string>();
  while (writing) {
    const content = await file.read();
    seen.add(content !== undefined && 'text' in content && texts.includes(content.text) ? 'whole' : JSON.stringify(content).slice(0, 100));
  }
  await written;
  expect(seen).toEqual(new Set(['whole']));
  expect(await readdir(dirname(file.path))).toEqual(['whole']);
});

test('T13 a kept file is readable by its owner alone, whatever it was before', async () => {
  const path = directory.path('open');
  await writeFile(path, 'before');
  await chmod(path, 0o666);
  await new KeptFile(path).write('after');
  expect((await stat(path)).mode & 0o777).toBe(0o600);
});

test('a kept file that is not there is nothing, and one that cannot be read says why', async () => {
  expect(await new KeptFile(directory.path('missing')).read()).toBeUndefined();
  expect(await new KeptFile(dirname(directory.path('x'))).read()).toEqual({ fault: 'is a directory' });
});
