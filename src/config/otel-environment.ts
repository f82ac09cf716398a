/** The standard variables of OpenTelemetry as if they stood in the config, where that says nothing else. */

import { isObject } from './path.ts';

/** The raw config with what the environment adds to its `telemetry`. */
export function withOtelEnvironment(raw: unknown, env: NodeJS.ProcessEnv): unknown {
  if (!isObject(raw)) return raw;
  if (isOff(env)) {
    const { telemetry: _, ...rest } = raw;
    return rest;
  }
  const { telemetry } = raw;
  if (telemetry !== undefined && !isObject(telemetry)) return raw;
  const given = { ...fromEnvironment(env), ...telemetry };
  return 'tracesEndpoint' in given || telemetry !== undefined ? { ...raw, telemetry: given } : raw;
}

function isOff(env: NodeJS.ProcessEnv): boolean {
  return env['OTEL_SDK_DISABLED']?.toLowerCase() === 'true' || env['OTEL_TRACES_EXPORTER'] === 'none';
}

function fromEnvironment(env: NodeJS.ProcessEnv): Record<string, unknown> {
  const base = env['OTEL_EXPORTER_OTLP_ENDPOINT'];
  const found = {
    tracesEndpoint: env['OTEL_EXPORTER_OTLP_TRACES_ENDPOINT'] || (base && `${base.replace(/\/$/, '')}/v1/traces`),
    headers: headersFrom(env['OTEL_EXPORTER_OTLP_TRACES_HEADERS'] || env['OTEL_EXPORTER_OTLP_HEADERS']),
    serviceName: env['OTEL_SERVICE_NAME'],
  };
  return Object.fromEntries(Object.entries(found).filter(([, value]) => value !== undefined && value !== ''));
}

/** `name=value,name=value`, percent-encoded, as the specification of the exporter has it. */
function headersFrom(text: string | undefined): Record<string, string> | undefined {
  if (text === undefined || text === '') return undefined;
  const pairs = text.split(',').map((pair) => /^\s*([^=\s]+)\s*=\s*(.*?)\s*$/.exec(pair));
  return Object.fromEntries(pairs.flatMap((pair) => (pair === null ? [] : [[pair[1], decoded(pair[2] as string)]])));
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}
