import { afterEach, beforeEach, expect, test } from '@jest/globals';
import type { Span } from '../../src/telemetry/span.ts';
import { SpanExporter } from '../../src/telemetry/span-exporter.ts';
import { FakeClock } from '../helpers/fake-clock.ts';
import { hang } from '../helpers/scripted-answers.ts';
import { type ScriptedServer, startScriptedServer } from '../helpers/scripted-server.ts';

const SPAN: Span = {
  traceId: '0af7651916cd43dd8448eb211c80319c',
  spanId: 'b7ad6b7169203331',
  parentSpanId: undefined,
  kind: 'server',
  name: 'GET api',
  startedAt: 0,
  endedAt: 1,
  attributes: {},
  failed: false,
};

let collector: ScriptedServer;
beforeEach(async () => {
  collector = await startScriptedServer({ answer: hang });
});
afterEach(() => collector.close());

test('a collector that says nothing holds up no stop for longer than 2 s, however much is left', async () => {
  const clock = new FakeClock();
  let dropped = 0;
  const exporter = new SpanExporter({
    endpoint: `${collector.url}/v1/traces`,
    resource: { 'service.name': 'token-broker' },
    headers: () => ({}),
    clock,
    onDropped: (count) => {
      dropped += count;
    },
    onReachable: () => undefined,
  });
  for (let i = 0; i < 1_300; i += 1) exporter.add(SPAN);
  let isOver = false;
  const closing = exporter.close().then(() => {
    isOver = true;
  });
  await clock.advance(1_999);
  expect(isOver).toBe(false);
  await clock.advance(1);
  await closing;
  expect([dropped, clock.timers]).toEqual([1_300, 0]);
});
