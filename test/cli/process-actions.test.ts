/** `token-broker reload` and `token-broker quit`. */

import { join } from 'node:path';
import { describe, expect, test } from '@jest/globals';
import { type BrokerProcess, startBrokerProcess } from '../helpers/broker-process.ts';
import { closedAfterEach } from '../helpers/closing.ts';
import { freePort } from '../helpers/redis.ts';
import { answerWith, jsonAnswer } from '../helpers/scripted-answers.ts';
import { startScriptedServer } from '../helpers/scripted-server.ts';
import { type Run, run } from './run.ts';

const closed = closedAfterEach();

const config = async (): Promise<Record<string, unknown>> => ({
  listeners: { local: { address: '127.0.0.1:0', authenticate: ['anonymous'] } },
  admin: { address: `127.0.0.1:${await freePort()}` },
});

const at = ({ directory }: BrokerProcess, command: string): Promise<Run> => run([command, '-c', join(directory, 'sidecar.config.json')]);

describe('token-broker reload', () => {
  test('has the changed config taken over, or says everything that is wrong with it, with 1', async () => {
    const first = await config();
    const broker = closed(await startBrokerProcess({ config: first }));
    expect(await at(broker, 'reload')).toEqual({ code: 0, stdout: 'config reloaded\n', stderr: '' });
    await broker.replace('sidecar.config.json', JSON.stringify({ ...first, routs: {}, log: { level: 'loud' } }));
    const { code, stdout, stderr } = await at(broker, 'reload');
    expect([code, stdout]).toEqual([1, '']);
    expect(stderr.split('\n')).toEqual([
      expect.stringMatching(/^sidecar\.config\.json:1:\d+: "routs" is not a known key; did you mean "routes"\?$/),
      expect.stringMatching(/^sidecar\.config\.json:1:\d+: "log\.level" must be one of /),
      'the changed config cannot be used: the old one stays',
      '',
    ]);
  });
});

describe('token-broker quit', () => {
  test('has the broker stop as by a signal', async () => {
    const broker = closed(await startBrokerProcess({ config: await config() }));
    const { code, stdout } = await at(broker, 'quit');
    expect([code, stdout]).toEqual([0, 'draining: what is in flight is finished, then the broker ends\n']);
    expect(await broker.exited).toEqual({ code: 0, signal: null });
  });
});

describe('what answers and is no broker', () => {
  test.each([
    ['a page', answerWith(200, ['Content-Type: text/html'], '<p>hello')],
    ['broken JSON', answerWith(200, ['Content-Type: application/json'], '{')],
    ['JSON of another kind', jsonAnswer(200, null)],
    ['problems that would colour it', jsonAnswer(422, { reloaded: false, state: '\u001b[31m', problems: ['\u001b[31mred'] })],
    ['what would colour the terminal', answerWith(404, ['Content-Type: text/plain'], '\u001b[31mred')],
    ['a refusal', answerWith(404, ['Content-Type: text/plain'], 'not found')],
  ])('%s is told by its status, with 1', async (_what, answer) => {
    const server = closed(await startScriptedServer({ answer: () => answer }));
    for (const command of [['reload'], ['quit'], ['renew', 'orders'], ['purge', 'orders']]) {
      const { code, stdout, stderr } = await run([...command, '--admin', server.url]);
      expect([code, stdout]).toEqual([1, '']);
      expect(stderr.replaceAll('\n', '')).toMatch(/^[^\p{Cc}]+$/u);
    }
  });

  test('what it says in other words than plain text is not repeated', async () => {
    const server = closed(await startScriptedServer({ answer: () => jsonAnswer(401, { type: 'urn:token-broker:error' }) }));
    const { stderr } = await run(['reload', '--admin', server.url]);
    expect(stderr).toBe('401: what answers there does nothing of the kind; --admin names the "admin.address" of a broker\n');
  });
});
