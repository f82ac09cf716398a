/** How many origins are connected to at a time, and for how long. */

import { describe, expect, test } from '@jest/globals';
import type { UpstreamAnswer, UpstreamConnections, UpstreamRequest } from '../../src/upstream/connections.ts';
import { OriginConnections } from '../../src/upstream/origin-connections.ts';
import { FakeClock } from '../helpers/fake-clock.ts';

const REQUEST: UpstreamRequest = { method: 'GET', target: '/', fields: [], body: undefined, upgrade: undefined, fresh: false };
const nothing = () => {};
const ANSWER: UpstreamAnswer = { interim: nothing, head: nothing, chunk: nothing, end: nothing, fail: nothing };

function rig() {
  const clock = new FakeClock();
  const closed: string[] = [];
  const answers: UpstreamAnswer[] = [];
  const open = (origin: string): UpstreamConnections => ({
    send(_request, answer) {
      answers.push(answer);
      return { pause: nothing, resume: nothing, abort: nothing };
    },
    counts: () => ({ open: 2, idle: 1, queued: 3 }),
    close: async () => void closed.push(origin),
  });
  return { clock, closed, answers, origins: new OriginConnections(open, clock) };
}

describe('connections by origin', () => {
  test('are dropped when nobody has used them for a minute, and not while something runs', async () => {
    const { clock, closed, answers, origins } = rig();
    origins.to('https://a.example').send(REQUEST, ANSWER);
    await clock.advance(120_000);
    expect(closed).toEqual([]);
    answers[0]?.end([]);
    await clock.advance(59_000);
    origins.to('https://a.example').send(REQUEST, ANSWER).abort();
    await clock.advance(59_000);
    expect(closed).toEqual([]);
    await clock.advance(1_000);
    expect(closed).toEqual(['https://a.example']);
    expect(clock.timers).toBe(0);
  });

  test('are bounded in number: the one unused for longest makes room; where all are in use the request is refused', () => {
    const { closed, answers, origins } = rig();
    for (let i = 0; i < 32; i += 1) origins.to(`https://${i}.example`).send(REQUEST, ANSWER);
    expect(() => origins.to('https://more.example')).toThrow(expect.objectContaining({ code: 'BROKER_OVERLOADED' }));
    answers[7]?.end([]);
    answers[5]?.end([]);
    origins.to('https://5.example');
    origins.to('https://more.example');
    expect(closed).toEqual(['https://7.example']);
    expect(origins.size).toBe(32);
  });

  test('are counted together', () => {
    const { origins } = rig();
    expect(origins.counts()).toEqual({ open: 0, idle: 0, queued: 0 });
    origins.to('https://a.example');
    origins.to('https://b.example');
    expect(origins.counts()).toEqual({ open: 4, idle: 2, queued: 6 });
  });

  test('all end with the broker', async () => {
    const { clock, closed, origins } = rig();
    origins.to('https://a.example').send(REQUEST, ANSWER);
    origins.to('https://b.example');
    await origins.close();
    expect(closed).toEqual(['https://a.example', 'https://b.example']);
    expect(clock.timers).toBe(0);
  });
});
