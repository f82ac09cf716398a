/** How often the log tells of connections that came to nothing. */

import { expect, test } from '@jest/globals';
import { refusedConnections } from '../../src/operation/refused-connections.ts';
import { createLog } from '../../src/telemetry/log.ts';
import { Metrics } from '../../src/telemetry/metrics.ts';

test('each reason is told once a minute, and each connection counted', async () => {
  const metrics = new Metrics();
  const lines: string[] = [];
  let now = 0;
  const log = createLog('info', { write: (line: string) => void lines.push(`${now} ${JSON.parse(line).reason ?? 'full'}`) });
  const { onFull, onHandshakeFailed } = refusedConnections('local', log, metrics, () => now);
  for (now = 0; now <= 120_000; now += 1_000) {
    onFull();
    onHandshakeFailed('http_request');
    if (now >= 90_000) onHandshakeFailed('unsupported_protocol');
  }
  const { text } = await metrics.render();
  metrics.close();
  expect(lines).toEqual([
    '0 full',
    '0 http_request',
    '60000 full',
    '60000 http_request',
    '90000 unsupported_protocol',
    '120000 full',
    '120000 http_request',
  ]);
  expect(text).toContain('token_broker_connections_refused_total{listener="local",reason="full"} 121\n');
  expect(text).toContain('token_broker_connections_refused_total{listener="local",reason="handshake"} 152\n');
});
