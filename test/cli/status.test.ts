/** `token-broker status`: what people and programs get to see of a running broker. */

import { describe, expect, test } from '@jest/globals';
import type { BrokerStatus } from '../../src/admin/status.ts';
import { describeStatus } from '../../src/cli/status-tables.ts';
import { type Scene, startScene } from '../helpers/broker.ts';
import { closedAfterEach } from '../helpers/closing.ts';
import { FULL_STATUS } from '../helpers/full-status.ts';
import { request } from '../helpers/http-client.ts';
import { freePort } from '../helpers/redis.ts';
import { answerWith, jsonAnswer } from '../helpers/scripted-answers.ts';
import { type Script, startScriptedServer } from '../helpers/scripted-server.ts';
import { run } from './run.ts';

const closed = closedAfterEach();

async function scene(): Promise<Scene> {
  const started = closed(await startScene());
  await request(`${started.url()}/api/x`);
  return started;
}

/** What stands at the address is no broker. */
async function impostor(answer: Script): Promise<string> {
  const server = closed(await startScriptedServer({ answer }));
  return server.url;
}

const TABLES = `token-broker 1.2.3, not ready: waiting for the eager tokens, up for 1d 2h, requests in flight: 2

TOKEN     STATE                LEFT  OF  NEXT RENEWAL   WAITING  LAST FAILURE                   FINGERPRINT  GRANT               AUTHORIZATION SERVER
orders    fresh                59m   1h  in 50m         0        TOKEN_UNAVAILABLE 1m 30s ago  0123abcd     client_credentials  acme
ledger    none                           now            7        TOKEN_REJECTED 5s ago                       client_credentials  acme
unused    expired              ended 1m ago  1h  when needed    0                                      4567cdef     client_credentials  acme
partners  kept for 12 callers            by its caller  0                                                    token_exchange      acme

ROUTE   UPSTREAM             CONNECTIONS  IDLE  QUEUED  FAILURES IN 5M  LAST FAILURE
orders  https://api.example  4            3     0       2               UPSTREAM_TIMEOUT 30s ago

AUTHORIZATION SERVER  BREAKER                  METADATA
acme                  open, tried again in 4s  read 2h ago; the last try failed
legacy                closed                   in the config

LISTENER  SERVES          ADDRESS         STATE      CONNECTIONS
local     proxy           127.0.0.1:8080  accepting  3
mesh      token-endpoint                  draining   0

STORE            STATE            UNREADABLE ENTRIES
redis, snapshot  lost 1m 1s ago   1

CERTIFICATE OR REVOCATION LIST  STATE
listeners.mesh.tls.cert         ends in 3d 2h; from then on others refuse it
listeners.mesh.tls.crl          ended 2h ago: no caller gets in
store.redis.tls.ca and 1 more              good in 1m; until then no server is trusted

WORTH A LOOK                             COUNT
mistakes of ours: please report them     1
changed files that could not be used     3
earlier configs with requests in flight  2

UNUSABLE FILE       SINCE
listeners.mesh.tls  10s ago`;

/** Columns as wide as they are, whatever stands in the text above. */
const squeezed = (text: string) => text.replaceAll(/ {2,}/g, '  ');

describe('token-broker status', () => {
  test('shows tables of a running broker, without colours where nobody looks', async () => {
    const started = await scene();
    const { code, stdout, stderr } = await run(['status', '--admin', started.url('admin')]);
    expect([code, stderr]).toEqual([0, '']);
    expect(stdout).toMatch(/^token-broker \d+\.\d+\.\d+, ready, up for \d+s, requests in flight: 0\n\nTOKEN /);
    expect(stdout).toMatch(/^orders +fresh +[\dhms ]+ +1h +when needed +0 +[0-9a-f]{8} +client_credentials +as$/m);
    expect(stdout).toContain(started.address());
    expect(stdout).not.toContain('\u001b');
  });

  test('--json prints all that the broker says', async () => {
    const started = await scene();
    const { code, stdout } = await run(['status', '--json', '--admin', started.url('admin')]);
    expect(code).toBe(0);
    const shown = JSON.parse(stdout) as BrokerStatus;
    const asked = (await request(`${started.url('admin')}/status`)).json() as BrokerStatus;
    expect({ ...shown, now: '', uptimeSeconds: 0, tokens: [] }).toEqual({ ...asked, now: '', uptimeSeconds: 0, tokens: [] });
    expect(shown.tokens).toHaveLength(1);
  });

  test('no broker: says where it looked, with 1', async () => {
    const admin = `http://127.0.0.1:${await freePort()}`;
    expect(await run(['status', '--admin', admin])).toEqual({
      code: 1,
      stdout: '',
      stderr: `no broker answers at ${admin} (ECONNREFUSED); --admin names its "admin.address"\n`,
    });
  });

  test.each([
    ['a page', answerWith(200, ['Content-Type: text/html'], '<p>hello')],
    ['broken JSON', answerWith(200, ['Content-Type: application/json'], '{')],
    ['JSON of another kind', jsonAnswer(200, null)],
    ['the status of a later version', jsonAnswer(200, { format: 2 })],
    ['a refusal', jsonAnswer(404, { format: 1 })],
  ])('%s is no status: 1', async (_what, answer) => {
    const admin = await impostor(() => answer);
    const { code, stdout, stderr } = await run(['status', '--admin', admin]);
    expect([code, stdout]).toEqual([1, '']);
    expect(stderr).toMatch(/^what answers at .* shows no status that this version knows/);
  });

  test('a broker that does not accept the name says what would help: 1', async () => {
    const admin = await impostor(() => answerWith(403, ['Content-Type: text/plain'], 'this "Host" is not accepted'));
    expect((await run(['status', '--admin', admin])).stderr).toBe(`the broker at ${admin} refuses: this "Host" is not accepted\n`);
  });
});

describe('the tables', () => {
  test('are aligned, and say everything', () => {
    const lines = describeStatus(FULL_STATUS, (_style, text) => text);
    expect(squeezed(lines.join('\n'))).toBe(squeezed(TABLES));
    const calm = { ...FULL_STATUS, faults: 0, reloadFailures: 0, earlierConfigs: 0 };
    expect(describeStatus(calm, (_style, text) => text).join('\n')).not.toContain('WORTH A LOOK');
    const [tokens, first] = lines.slice(2) as [string, string];
    for (const heading of ['STATE', 'LEFT', 'WAITING', 'GRANT']) expect(first.charAt(tokens.indexOf(heading) - 1)).toBe(' ');
    expect(first.indexOf('client_credentials')).toBe(tokens.indexOf('GRANT'));
  });

  test('paint what is good and what is not, and leave widths alone', () => {
    const painted = describeStatus(FULL_STATUS, (style, text) => `<${String(style)}>${text}</>`).join('\n');
    expect(painted).toContain('<red>not ready: waiting for the eager tokens</>');
    expect(painted).toContain('<green>fresh</>');
    expect(painted).toContain('<red>TOKEN_REJECTED 5s ago</>');
    expect(painted).toContain('<red>none</>');
    expect(painted).toContain('  expired  ');
    // It was before the token at hand.
    expect(painted).not.toContain('<red>TOKEN_UNAVAILABLE');
    const plain = describeStatus(FULL_STATUS, (_style, text) => text).join('\n');
    expect(painted.replaceAll(/<[a-z/]*>/g, '')).toBe(plain);
  });

  test('hold nothing that would move the cursor, whoever answered', () => {
    const listeners = [{ name: 'evil\u001b[2J\u009b\n', serve: 'proxy' as const, connections: 0, draining: false }];
    expect(describeStatus({ ...FULL_STATUS, listeners }, (_style, text) => text).join('\n')).toContain('\nevil[2J ');
  });
});
