/** The log, whatever becomes of who takes it: full pipes, full disks, nobody there. */

import { expect, test } from '@jest/globals';
import { LogOutput } from '../../src/telemetry/log-output.ts';

const line = (number: number) => `{"line":${number}}\n`;

/** Takes what fits; then fails with a code for as long as there is one. */
class Disk {
  text = '';
  room = Number.POSITIVE_INFINITY;
  code: string | undefined;

  readonly write = (bytes: Buffer, at: number): number => {
    const count = Math.min(this.room, bytes.length - at);
    if (count === 0) throw Object.assign(new Error('full'), { code: this.code });
    this.room -= count;
    this.text += bytes.toString('utf8', at, at + count);
    return count;
  };
}

function outputTo(disk: Disk) {
  const dropped: number[] = [];
  const output = new LogOutput(disk.write);
  output.onTakenAgain = (lines) => {
    dropped.push(lines);
    output.write(`{"dropped":${lines}}\n`);
  };
  return { output, dropped };
}

const settled = () => new Promise((resolve) => setTimeout(resolve, 60));

test('lines of one turn are written in their order', async () => {
  const disk = new Disk();
  const { output } = outputTo(disk);
  for (let number = 0; number < 5; number += 1) output.write(line(number));
  await settled();
  expect(disk.text).toBe([0, 1, 2, 3, 4].map(line).join(''));
});

test('a full pipe loses nothing that it takes later, in the middle of a line, too', async () => {
  const disk = new Disk();
  [disk.room, disk.code] = [4, 'EAGAIN'];
  const { output, dropped } = outputTo(disk);
  output.write(line(1));
  await settled();
  output.write(line(2));
  disk.room = Number.POSITIVE_INFINITY;
  await settled();
  expect([disk.text, dropped]).toEqual([line(1) + line(2), []]);
});

test('of what a full pipe does not take for long, a mebibyte is held; the rest is dropped, and told of afterwards', async () => {
  const disk = new Disk();
  [disk.room, disk.code] = [0, 'EAGAIN'];
  const { output, dropped } = outputTo(disk);
  const long = `{"text":"${'x'.repeat(1012)}"}\n`;
  expect(long).toHaveLength(1024);
  for (let count = 0; count < 1500; count += 1) output.write(long);
  await settled();
  expect(dropped).toEqual([]);
  disk.room = Number.POSITIVE_INFINITY;
  await settled();
  expect(dropped).toHaveLength(1);
  const taken = disk.text.split('\n').filter((each) => each.includes('text')).length;
  expect(taken).toBeLessThanOrEqual(1025);
  expect(taken + (dropped[0] as number)).toBe(1500);
  for (const each of disk.text.trimEnd().split('\n')) JSON.parse(each);
});

test('a full disk fails nothing; when there is room again, the line that was cut has ended, and the lost ones are told of', async () => {
  const disk = new Disk();
  [disk.room, disk.code] = [line(1).length + 3, 'ENOSPC'];
  const { output, dropped } = outputTo(disk);
  for (const number of [1, 2, 3]) output.write(line(number));
  await settled();
  output.write(line(4));
  await settled();
  expect(dropped).toEqual([]);
  disk.room = Number.POSITIVE_INFINITY;
  output.write(line(5));
  await settled();
  expect(disk.text).toBe(`${line(1)}${line(2).slice(0, 3)}\n${line(5)}{"dropped":3}\n`);
  expect(dropped).toEqual([3]);
});

test('nobody there, for ever, is told nothing and costs nothing', async () => {
  const disk = new Disk();
  [disk.room, disk.code] = [0, 'EPIPE'];
  const { output, dropped } = outputTo(disk);
  for (let number = 0; number < 10; number += 1) {
    output.write(line(number));
    await new Promise((resolve) => setImmediate(resolve));
  }
  await settled();
  expect([disk.text, dropped, output.dropped]).toEqual(['', [], 10]);
});
