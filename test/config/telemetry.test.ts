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
      resourceAttributes: {},
      sampleRatio: 1,
    });
    const own = { OTEL_EXPORTER_OTLP_ENDPOINT: 'http://a:1', OTEL_EXPORTER_OTLP_TRACES_ENDPOINT: 'http://b:2/spans' };
    expect((await telemetryWith(own))?.tracesEndpoint).toBe('http://b:2/spans');
  });

  test.each([
    ['always_off', undefined, 0],
    ['parentbased_always_on', '0.5', 1],
    ['traceidratio', '0.25', 0.25],
    ['parentbased_traceidratio', '0.5', 0.5],
    ['parentbased_traceidratio', '', 1],
    ['xray', '0.5', 1],
  ])('samples as the variables of OpenTelemetry say: %s with %s', async (sampler, ratio, expected) => {
    const env = { OTEL_EXPORTER_OTLP_ENDPOINT: 'http://127.0.0.1:4318', OTEL_TRACES_SAMPLER: sampler, OTEL_TRACES_SAMPLER_ARG: ratio };
    expect((await telemetryWith(env))?.sampleRatio).toBe(expected);
  });

  test('says of where it runs what the variables of OpenTelemetry say', async () => {
    const OTEL_EXPORTER_OTLP_ENDPOINT = 'http://127.0.0.1:4318';
    const OTEL_RESOURCE_ATTRIBUTES = 'service.name=shop,k8s.pod.name=shop-1,team=a%2Cb';
    const resourceAttributes = { 'k8s.pod.name': 'shop-1', team: 'a,b' };
    const env = { OTEL_EXPORTER_OTLP_ENDPOINT, OTEL_RESOURCE_ATTRIBUTES };
    expect(await telemetryWith(env)).toMatchObject({ serviceName: 'shop', resourceAttributes });
    expect(await telemetryWith({ ...env, OTEL_SERVICE_NAME: 'orders' })).toMatchObject({ serviceName: 'orders', resourceAttributes });
    expect(await telemetryWith(env, { resourceAttributes: { team: 'c' } })).toMatchObject({ resourceAttributes: { team: 'c' } });
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

  const ENDPOINT = 'https://collector.example:4318';
  test.each([
    [{ OTEL_EXPORTER_OTLP_ENDPOINT: 'collector:4318' }, 'OTEL_EXPORTER_OTLP_ENDPOINT, which is not an http or https URL'],
    [{ OTEL_EXPORTER_OTLP_TRACES_ENDPOINT: 'grpc://c:4317' }, 'OTEL_EXPORTER_OTLP_TRACES_ENDPOINT, which is not an http or https URL'],
    [{ OTEL_EXPORTER_OTLP_ENDPOINT: 'http://u:canary@c.example' }, 'OTEL_EXPORTER_OTLP_ENDPOINT, which holds a user or password'],
    [
      { OTEL_EXPORTER_OTLP_ENDPOINT: ENDPOINT, OTEL_EXPORTER_OTLP_PROTOCOL: 'grpc' },
      'OTEL_EXPORTER_OTLP_PROTOCOL, which asks for another protocol than HTTP',
    ],
    [
      { OTEL_EXPORTER_OTLP_ENDPOINT: ENDPOINT, OTEL_EXPORTER_OTLP_HEADERS: 'a b=canary, key=a%0Ab' },
      'OTEL_EXPORTER_OTLP_HEADERS, which holds what is no header field',
    ],
    [
      { OTEL_EXPORTER_OTLP_ENDPOINT: 'http://collector:4318', OTEL_EXPORTER_OTLP_HEADERS: 'key=canary' },
      'OTEL_EXPORTER_OTLP_HEADERS, which would send header fields by http to a host that is not loopback',
    ],
    [
      { OTEL_EXPORTER_OTLP_ENDPOINT: ENDPOINT, OTEL_TRACES_SAMPLER: 'traceidratio', OTEL_TRACES_SAMPLER_ARG: '10%' },
      'OTEL_TRACES_SAMPLER_ARG, which is no number from 0 to 1',
    ],
    [
      { OTEL_EXPORTER_OTLP_ENDPOINT: ENDPOINT, OTEL_RESOURCE_ATTRIBUTES: `a=${'n'.repeat(1_001)}` },
      'OTEL_RESOURCE_ATTRIBUTES, which holds a name or value that is too long',
    ],
    [{ OTEL_EXPORTER_OTLP_ENDPOINT: ENDPOINT, OTEL_SERVICE_NAME: 'n'.repeat(201) }, 'OTEL_SERVICE_NAME, which is too long for a name'],
  ])('is absent, with a warning, where a variable cannot be used: %j', async (env, what) => {
    const { problems, warnings } = await verdict(file(), validConfig(), { env: { ...ENV, ...env } });
    expect(said(problems)).toEqual([]);
    expect(said(warnings)).toEqual([`the environment has ${what}: no traces are sent; correct it, or set OTEL_TRACES_EXPORTER=none`]);
    expect(await telemetryWith(env)).toBeUndefined();
  });

  test('is not disturbed by a variable that fills nothing', async () => {
    const env = { OTEL_EXPORTER_OTLP_ENDPOINT: 'collector:4317', OTEL_EXPORTER_OTLP_PROTOCOL: 'grpc' };
    expect((await telemetryWith(env, { tracesEndpoint: ENDPOINT }))?.tracesEndpoint).toBe(ENDPOINT);
    const { warnings } = await verdict(file(), validConfig(), {
      env: { ...ENV, OTEL_EXPORTER_OTLP_HEADERS: 'a b=c', OTEL_EXPORTER_OTLP_PROTOCOL: 'grpc' },
    });
    expect(warnings).toEqual([]);
    const protobuf = { OTEL_EXPORTER_OTLP_ENDPOINT: ENDPOINT, OTEL_EXPORTER_OTLP_PROTOCOL: 'http/protobuf' };
    expect((await telemetryWith(protobuf))?.tracesEndpoint).toBe(`${ENDPOINT}/v1/traces`);
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
