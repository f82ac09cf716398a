import { describe, expect, test } from '@jest/globals';
import { configJsonSchema, type JsonSchema } from '../../src/config/json-schema.ts';
import { bent, ENV, load, said, useDirectory, validConfig, verdict } from './fixture.ts';

const directory = useDirectory();
const file = () => directory.path('sidecar.config.json');

const telemetryWith = async (env: NodeJS.ProcessEnv, section?: object) => {
  const config = bent((draft) => {
    if (section !== undefined) draft['telemetry'] = section;
  });
  const { telemetry } = (await load(file(), config, { env: { ...ENV, ...env } })).config;
  const headers = telemetry && Object.fromEntries(Object.entries(telemetry.headers).map(([name, value]) => [name, value.reveal()]));
  return telemetry && { ...telemetry, headers };
};

describe('telemetry', () => {
  test('is absent where nobody asks for it', async () => {
    expect(await telemetryWith({})).toBeUndefined();
    expect(await telemetryWith({ OTEL_SERVICE_NAME: 'orders' })).toBeUndefined();
  });

  test('comes from the variables of OpenTelemetry', async () => {
    expect(
      await telemetryWith({
        OTEL_EXPORTER_OTLP_ENDPOINT: 'https://collector.example:4318/',
        OTEL_EXPORTER_OTLP_HEADERS: 'api-key=a%20b, tenant = orders',
        OTEL_SERVICE_NAME: 'orders',
      }),
    ).toEqual({
      tracesEndpoint: 'https://collector.example:4318/v1/traces',
      headers: { 'api-key': 'a b', tenant: 'orders' },
      serviceName: 'orders',
      sampleRatio: 1,
    });
    const own = { OTEL_EXPORTER_OTLP_ENDPOINT: 'http://a:1', OTEL_EXPORTER_OTLP_TRACES_ENDPOINT: 'http://b:2/spans' };
    expect((await telemetryWith(own))?.tracesEndpoint).toBe('http://b:2/spans');
  });

  test('of the config wins over the variables, which fill what it leaves out', async () => {
    const env = { OTEL_EXPORTER_OTLP_ENDPOINT: 'http://a:1', OTEL_SERVICE_NAME: 'orders' };
    expect(await telemetryWith(env, { tracesEndpoint: 'http://127.0.0.1:4318/v1/traces', sampleRatio: 0.1 })).toMatchObject({
      tracesEndpoint: 'http://127.0.0.1:4318/v1/traces',
      serviceName: 'orders',
      sampleRatio: 0.1,
    });
    expect((await telemetryWith(env, { sampleRatio: 0.1 }))?.tracesEndpoint).toBe('http://a:1/v1/traces');
  });

  test.each([{ OTEL_SDK_DISABLED: 'true' }, { OTEL_TRACES_EXPORTER: 'none' }])('is off with %j', async (env) => {
    expect(await telemetryWith(env, { tracesEndpoint: 'http://127.0.0.1:4318/v1/traces' })).toBeUndefined();
  });

  test('is not said to need what the environment may say: an editor knows nothing of that', () => {
    const { telemetry } = configJsonSchema().properties as Record<string, JsonSchema>;
    expect(telemetry?.required ?? []).toEqual([]);
  });

  test('K01 is judged like the rest', async () => {
    const problems = async (telemetry: unknown) => said((await verdict(file(), { ...validConfig(), telemetry })).problems);
    expect(await problems({})).toEqual([expect.stringContaining('telemetry.tracesEndpoint is missing; give ')]);
    expect(await problems({ tracesEndpoint: 'http://c.example/v1/traces', headers: { 'X-Key': 'k' } })).toEqual([
      'telemetry.tracesEndpoint is http to a host that is not loopback, where "headers" travel unencrypted; use https, or say "unsafeHttp": true',
    ]);
    expect(await problems({ tracesEndpoint: 'http://c.example/v1/traces' })).toEqual([]);
    expect(await problems('x')).toEqual([expect.stringContaining('telemetry must be an object')]);
  });
});
