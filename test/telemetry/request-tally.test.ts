import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { Counter, Gauge, Histogram, Registry } from 'prom-client';
import { RequestTally } from '../../src/telemetry/request-tally.ts';

const HELP = {
  requests: 'Requests answered, by listener, route, status and our own error code ("" when the upstream answered).',
  seconds: 'From the head of a request to the last byte of its answer.',
};
const BUCKETS = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60];

const request = fc.record({
  listener: fc.constantFrom('local', 'public'),
  route: fc.constantFrom('', 'orders', 'a "quoted"\nname\\'),
  status: fc.constantFrom(0, 200, 404, 502),
  code: fc.constantFrom('', 'UPSTREAM_RESET', 'ROUTE_NOT_FOUND'),
});
// Sums of eighths are exact, whatever their order.
const seconds = fc.oneof(
  fc.constantFrom(0, ...BUCKETS),
  fc.integer({ min: 0, max: 1000 }).map((eighths) => eighths / 8),
);

/** What prom-client shows of the same requests. */
async function shownByPromClient(requests: readonly (readonly [Record<string, string | number>, number])[]): Promise<string> {
  const registers = [new Registry()];
  const requestsTotal = new Counter({
    name: 'x_requests_total',
    help: HELP.requests,
    labelNames: ['listener', 'route', 'status', 'code'],
    registers,
  });
  const durations = new Histogram({
    name: 'x_request_duration_seconds',
    help: HELP.seconds,
    labelNames: ['route'],
    buckets: BUCKETS,
    registers,
  });
  new Gauge({ name: 'x_requests_in_flight', help: 'Requests being handled.', registers }).set(requests.length);
  for (const [labels, time] of requests) {
    requestsTotal.inc(labels);
    durations.observe({ route: labels['route'] as string }, time);
  }
  return (registers[0] as Registry).metrics();
}

const sorted = (text: string) => text.split('\n').sort();

describe('RequestTally', () => {
  test('shows what prom-client shows of the same requests', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(fc.tuple(request, seconds), { maxLength: 40 }), async (requests) => {
        const registry = new Registry();
        const tally = new RequestTally(registry, 'x_');
        for (const [counted, time] of requests) tally.add(counted, time);
        tally.inFlight = requests.length;
        expect(sorted(await registry.metrics())).toEqual(sorted(await shownByPromClient(requests)));
      }),
      { numRuns: 200 },
    );
  });
});
