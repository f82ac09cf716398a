import { PassThrough } from 'node:stream';
import { describe, expect, test } from '@jest/globals';
import { hashPasswordCommand } from '../../src/cli/hash-password.ts';
import { parsePasswordHash, verifyPassword } from '../../src/password-hash.ts';
import { run } from './run.ts';
import { Terminal } from './terminal.ts';

async function isHashOf(printed: string, password: string): Promise<boolean> {
  const hash = parsePasswordHash(printed.replace(/\n$/, ''));
  return hash !== undefined && verifyPassword(hash, password);
}

describe('token-broker hash-password', () => {
  test.each([
    ['a line', 'correct horse\n', 'correct horse'],
    ['a line without its end', 'correct horse', 'correct horse'],
    ['a line as Windows ends it', 'correct horse\r\n', 'correct horse'],
    ['the first of two lines', 'correct horse\nbattery\n', 'correct horse'],
    ['spaces and other letters', ' pässwörd 密 \n', ' pässwörd 密 '],
  ])('reads %s from stdin and prints its hash', async (_what, stdin, password) => {
    const { code, stdout, stderr } = await run(['hash-password'], { stdin });
    expect(await isHashOf(stdout, password)).toBe(true);
    expect([code, stderr]).toEqual([0, '']);
  });

  test.each([
    ['nothing', '', 'the password is empty; give one on a line of its own\n'],
    ['an empty line', '\n', 'the password is empty; give one on a line of its own\n'],
    ['a control character', 'canary\u0007\n', 'the password holds a control character, which no client may send (RFC 7617 §2)\n'],
  ])('refuses %s with 2', async (_what, stdin, expected) => {
    expect(await run(['hash-password'], { stdin })).toEqual({ code: 2, stdout: '', stderr: expected });
  });

  test('takes no password on the command line, where others see it, and does not print it again', async () => {
    const { code, stdout, stderr } = await run(['hash-password', 'canary-password']);
    expect([code, stdout]).toEqual([2, '']);
    expect(stderr).toMatch(/^the password stands on the command line, .*; type it when asked, or give it on stdin\n$/);
    expect(stderr).not.toContain('canary');
  });

  test('has an example in its help', async () => {
    expect((await run(['hash-password', '--help'])).stdout).toContain('Examples:\n  token-broker hash-password\n');
  });
});

describe('token-broker hash-password on a terminal', () => {
  async function typed(...keys: string[]) {
    const stdin = new Terminal();
    const [stdout, stderr] = [new PassThrough(), new PassThrough()];
    const exit = Promise.withResolvers<number>();
    const command = hashPasswordCommand({ stdin, stdout, stderr, env: {}, exit: exit.resolve });
    stderr.on('data', () => {
      // One answer for each question, as a person gives it.
      const answer = keys.shift();
      if (answer !== undefined) stdin.write(answer);
    });
    await command.parseAsync([], { from: 'user' });
    const read = (stream: PassThrough) => (stream.read() as Buffer | null)?.toString() ?? '';
    return { code: await exit.promise, stdout: read(stdout), modes: stdin.modes };
  }

  test('asks twice with the echo off, and prints nothing but the hash', async () => {
    const { code, stdout, modes } = await typed('correct horse\r', '', 'correct horse\r');
    expect(await isHashOf(stdout, 'correct horse')).toBe(true);
    expect(stdout).not.toContain('correct');
    expect(modes).toEqual([true, false]);
    expect(code).toBe(0);
  });

  test('takes corrections', async () => {
    const { stdout } = await typed('horsee\x7f\r', '', 'horse\r');
    expect(await isHashOf(stdout, 'horse')).toBe(true);
  });

  test.each([
    ['two answers that differ', ['one\r', '', 'two\r']],
    ['an empty answer', ['\r']],
    ['Ctrl-C', ['abc\x03']],
    ['Ctrl-D', ['\x04']],
  ])('refuses %s with 2 and gives the terminal back', async (_what, keys) => {
    const { code, stdout, modes } = await typed(...keys);
    expect([code, stdout, modes]).toEqual([2, '', [true, false]]);
  });
});
