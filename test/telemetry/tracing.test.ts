import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { type Scene, type SceneOptions, startScene } from '../helpers/broker.ts';
import { createCanaries } from '../helpers/canaries.ts';
import { request } from '../helpers/http-client.ts';
import { answerWith, oauthError, tokenAnswer } from '../helpers/scripted-answers.ts';
import { type ScriptedServer, startScriptedServer } from '../helpers/scripted-server.ts';

interface OtlpSpan {
  readonly traceId: string;
  readonly spanId: string;
  readonly parentSpanId?: string;
  readonly name: string;
  readonly kind: number;
  readonly startTimeUnixNano: string;
  readonly endTimeUnixNano: string;
  readonly attributes: readonly { key: string; value: { stringValue?: string; intValue?: string } }[];
  readonly status: { code?: number };
}

let collector: ScriptedServer;
let scene: Scene | undefined;
beforeEach(async () => {
  collector = await startScriptedServer({ answer: () => answerWith(200, ['Content-Type: application/json'], '{}') });
});
afterEach(async () => {
  await scene?.close();
  await collector.close();
});

async function traced(telemetry: object = {}, options: SceneOptions = {}): Promise<Scene> {
  const section = { tracesEndpoint: `${collector.url}/v1/traces`, ...telemetry };
  scene = await startScene({ ...options, config: { ...options.config, telemetry: section } });
  return scene;
}

/** What the collector was given when the broker had ended. */
async function exported(): Promise<OtlpSpan[]> {
  await scene?.close();
  scene = undefined;
  type Body = { resourceSpans: { scopeSpans: { spans: OtlpSpan[] }[] }[] };
  return collector.requests.flatMap(({ body }) =>
    (JSON.parse(body.toString()) as Body).resourceSpans.flatMap(({ scopeSpans }) => scopeSpans.flatMap(({ spans }) => spans)),
  );
}

const factsOf = ({ attributes }: OtlpSpan) =>
  Object.fromEntries(attributes.map(({ key, value }) => [key, value.stringValue ?? Number(value.intValue)]));

const [TRACE, PARENT] = ['0af7651916cd43dd8448eb211c80319c', 'b7ad6b7169203331'];

describe('with "telemetry"', () => {
  test('a trace of the caller goes on: our span is between its and that of the upstream', async () => {
    const { url, origin } = await traced({ serviceName: 'orders-sidecar', resourceAttributes: { team: 'shop' } });
    await request(`${url()}/api/42?q=1`, { fields: { traceparent: `00-${TRACE}-${PARENT}-01` } });
    const spans = await exported();
    const server = spans.find(({ kind }) => kind === 2) as OtlpSpan;
    expect(server).toMatchObject({ traceId: TRACE, parentSpanId: PARENT, name: 'GET api', status: {} });
    expect(origin.requests[0]?.field('traceparent')).toEqual([`00-${TRACE}-${server.spanId}-01`]);
    expect(factsOf(server)).toEqual({
      'http.request.method': 'GET',
      'http.response.status_code': 200,
      'token_broker.listener': 'local',
      'token_broker.caller': 'anonymous',
      'token_broker.route': 'api',
      'token_broker.token_fingerprint': expect.stringMatching(/^[0-9a-f]{8}$/),
    });
    expect(BigInt(server.endTimeUnixNano) >= BigInt(server.startTimeUnixNano)).toBe(true);
    expect(JSON.parse(collector.requests[0]?.body.toString() ?? '')).toMatchObject({
      resourceSpans: [
        {
          resource: {
            attributes: [
              { key: 'team', value: { stringValue: 'shop' } },
              { key: 'service.name', value: { stringValue: 'orders-sidecar' } },
            ],
          },
        },
      ],
    });
  });

  test('each grant is a span of its own, good or bad', async () => {
    let granted = true;
    const { url, broker } = await traced({}, { token: () => (granted ? tokenAnswer() : oauthError('invalid_client')) });
    await request(`${url()}/api/x`);
    granted = false;
    await broker.tokens
      .source('orders')
      .renew()
      .catch(() => undefined);
    const grants = (await exported()).filter(({ kind }) => kind === 3);
    expect(grants.map((span) => [span.name, span.status.code, factsOf(span)['error.type']])).toEqual([
      ['grant orders', undefined, undefined],
      ['grant orders', 2, 'invalid_client'],
    ]);
    for (const { startTimeUnixNano: begun, endTimeUnixNano: ended } of grants) expect(BigInt(ended) > BigInt(begun)).toBe(true);
  });

  test.each([
    ['the caller says no', { fields: { traceparent: `00-${TRACE}-${PARENT}-00` } }, {}],
    ['no trace begun here is to be', {}, { sampleRatio: 0 }],
  ])('nothing is recorded where %s, and the trace goes on as such', async (_why, options, telemetry) => {
    const { url, origin } = await traced(telemetry, { tokenConfig: { renew: { eager: false } }, route: { token: null } });
    await request(`${url()}/api/x`, options);
    expect(origin.requests[0]?.field('traceparent')[0]).toMatch(/^00-[0-9a-f]{32}-[0-9a-f]{16}-00$/);
    expect(await exported()).toEqual([]);
    expect(collector.requests).toEqual([]);
  });

  test('X04 spans hold no path, query, credentials, token or words of another party', async () => {
    const canaries = createCanaries();
    const secret = canaries.plant('client-secret');
    const { url } = await traced(
      { headers: { 'X-Key': { unsafeInline: 'of the collector' } } },
      {
        token: () => tokenAnswer({ access_token: canaries.plant('token', { plain: true }) }),
        tokenConfig: { clientAuthentication: { secret: { unsafeInline: secret } } },
      },
    );
    await request(`${url()}/api/${canaries.plant('path', { plain: true })}?q=${canaries.plant('query', { plain: true })}`, {
      method: 'PATCH',
      user: `x:${canaries.plant('password')}`,
      fields: { 'x-request-id': canaries.plant('id', { plain: true }), tracestate: canaries.plant('state', { plain: true }) },
    });
    await request(`${url()}/${canaries.plant('unknown', { plain: true })}`, { method: 'FOO' });
    const spans = await exported();
    expect(spans.map(({ name }) => name).sort()).toEqual(['PATCH api', '_OTHER', 'grant orders']);
    expect(collector.requests[0]?.field('x-key')).toEqual(['of the collector']);
    expect(canaries.find(collector.received())).toEqual([]);
  });

  test('a collector in trouble costs no request: spans are dropped, counted, and it is said once', async () => {
    collector.answer = () => answerWith(503, []);
    const { url, log, metrics, logged } = await traced({}, { route: { token: null } });
    // Two exports: spans go as soon as there are 512 of them.
    for (let i = 0; i < 1_100; i += 100) {
      const answers = await Promise.all(Array.from({ length: 100 }, () => request(`${url()}/api/x`)));
      expect(answers.every(({ status }) => status === 200)).toBe(true);
    }
    await collector.untilRequests(2);
    await logged('traces not exported: dropped until the collector takes them', ({ reason }) => reason === 'http_503');
    expect(Number(/^token_broker_spans_dropped_total (\d+)$/m.exec(await metrics())?.[1])).toBeGreaterThanOrEqual(512);
    collector.answer = () => answerWith(200, []);
    await exported();
    expect(log.filter(({ msg }) => String(msg).startsWith('traces ')).map(({ msg }) => msg)).toEqual([
      'traces not exported: dropped until the collector takes them',
      'traces exported again',
    ]);
  });
});

test('without "telemetry" a trace of the caller is passed on untouched', async () => {
  scene = await startScene();
  await request(`${scene.url()}/api/x`, { fields: { traceparent: `00-${TRACE}-${PARENT}-01` } });
  expect(scene.origin.requests[0]?.field('traceparent')).toEqual([`00-${TRACE}-${PARENT}-01`]);
});
