/** The standard variables of OpenTelemetry as if they stood in the config, where that says nothing else. */

import { fieldValueProblem } from './contents.ts';
import { isObject } from './path.ts';
import { type Finding, warning } from './problem.ts';
import { isExposedHttp } from './rules/rule.ts';
import { telemetry as schema } from './schema/telemetry.ts';
import { fieldName, httpUrl } from './schema/values.ts';

/** A key of `telemetry` that a variable fills. */
interface Filling {
  readonly key: 'tracesEndpoint' | 'headers' | 'serviceName' | 'resourceAttributes' | 'sampleRatio';
  readonly variable: string;
  readonly value: unknown;
  /** Why nothing can be done with it. */
  readonly fault: string | undefined;
}

export interface WithEnvironment {
  readonly raw: unknown;
  readonly findings: readonly Finding[];
}

const NOTHING_ELSE = { findings: [] };

/**
 * The raw config with what the environment adds to its `telemetry`. Such variables are often set for every program of a cluster: one that cannot be used means no traces,
 * and a warning, as the specification of OpenTelemetry has it.
 */
export function withOtelEnvironment(raw: unknown, env: NodeJS.ProcessEnv): WithEnvironment {
  if (!isObject(raw)) return { raw, ...NOTHING_ELSE };
  const { telemetry, ...rest } = raw;
  if (isOff(env)) return { raw: rest, ...NOTHING_ELSE };
  if (telemetry !== undefined && !isObject(telemetry)) return { raw, ...NOTHING_ELSE };
  const fillings = fillingsFrom(env).filter(({ key }) => telemetry === undefined || !Object.hasOwn(telemetry, key));
  const filled = { ...Object.fromEntries(fillings.map(({ key, value }) => [key, value])), ...telemetry };
  if (telemetry === undefined && !('tracesEndpoint' in filled)) return { raw, ...NOTHING_ELSE };
  const findings = unusable(fillings, filled, env);
  return findings.length === 0 ? { raw: { ...raw, telemetry: filled }, findings } : { raw: rest, findings };
}

function isOff(env: NodeJS.ProcessEnv): boolean {
  return env['OTEL_SDK_DISABLED']?.toLowerCase() === 'true' || env['OTEL_TRACES_EXPORTER'] === 'none';
}

function fillingsFrom(env: NodeJS.ProcessEnv): Filling[] {
  const endpoint = firstOf(env, 'OTEL_EXPORTER_OTLP_TRACES_ENDPOINT', 'OTEL_EXPORTER_OTLP_ENDPOINT');
  const headers = firstOf(env, 'OTEL_EXPORTER_OTLP_TRACES_HEADERS', 'OTEL_EXPORTER_OTLP_HEADERS');
  const resource = firstOf(env, 'OTEL_RESOURCE_ATTRIBUTES');
  const name = firstOf(env, 'OTEL_SERVICE_NAME');
  return [
    endpoint && endpointFrom(endpoint),
    headers && headersFrom(headers),
    ...(resource === undefined ? [] : resourceFrom(resource, name)),
    name && serviceNameFrom(name),
    sampleRatioFrom(env),
  ].filter((filling) => filling !== undefined);
}

interface Variable {
  readonly variable: string;
  readonly text: string;
}

/** Empty means unset. */
function firstOf(env: NodeJS.ProcessEnv, ...variables: readonly string[]): Variable | undefined {
  const variable = variables.find((name) => env[name]);
  return variable === undefined ? undefined : { variable, text: env[variable] as string };
}

function endpointFrom({ variable, text }: Variable): Filling {
  const value = variable === 'OTEL_EXPORTER_OTLP_ENDPOINT' ? `${text.replace(/\/$/, '')}/v1/traces` : text;
  const [fault] = httpUrl.safeParse(value).error?.issues[0]?.message.split(';') ?? [];
  return { key: 'tracesEndpoint', variable, value, fault };
}

/** `name=value,name=value`, percent-encoded, as the specification has it. */
function pairsIn(text: string): Record<string, string> {
  const pairs = text.split(',').map((pair) => /^\s*([^=\s]+)\s*=\s*(.*?)\s*$/.exec(pair));
  return Object.fromEntries(pairs.flatMap((pair) => (pair === null ? [] : [[pair[1] as string, decoded(pair[2] as string)]])));
}

function headersFrom({ variable, text }: Variable): Filling {
  const value = pairsIn(text);
  const isSound = Object.entries(value).every(([name, said]) => fieldName.safeParse(name).success && fieldValueProblem(said) === undefined);
  return { key: 'headers', variable, value, fault: isSound ? undefined : 'holds what is no header field' };
}

/** The name of the service among them counts where no variable of its own says it. */
function resourceFrom({ variable, text }: Variable, ownName: Variable | undefined): Filling[] {
  const { 'service.name': name, ...value } = pairsIn(text);
  const isSound = schema.shape.resourceAttributes.safeParse(value).success;
  const attributes = {
    key: 'resourceAttributes',
    variable,
    value,
    fault: isSound ? undefined : 'holds a name or value that is too long',
  } as const;
  return name === undefined || ownName !== undefined ? [attributes] : [attributes, serviceNameFrom({ variable, text: name })];
}

/** How samplers are called that we have: each listens to the caller first, as those with `parentbased_` do. Others leave things as they are. */
const SAMPLER = /^(?:parentbased_)?(?:always_(on|off)|traceidratio)$/;

function sampleRatioFrom(env: NodeJS.ProcessEnv): Filling | undefined {
  const found = SAMPLER.exec(env['OTEL_TRACES_SAMPLER'] ?? '');
  if (found === null) return undefined;
  if (found[1] !== undefined)
    return { key: 'sampleRatio', variable: 'OTEL_TRACES_SAMPLER', value: Number(found[1] === 'on'), fault: undefined };
  const value = Number(env['OTEL_TRACES_SAMPLER_ARG'] || 1);
  const isSound = schema.shape.sampleRatio.safeParse(value).success;
  return { key: 'sampleRatio', variable: 'OTEL_TRACES_SAMPLER_ARG', value, fault: isSound ? undefined : 'is no number from 0 to 1' };
}

function serviceNameFrom({ variable, text }: Variable): Filling {
  const isSound = schema.shape.serviceName.safeParse(text).success;
  return { key: 'serviceName', variable, value: text, fault: isSound ? undefined : 'is too long for a name' };
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

function unusable(fillings: readonly Filling[], filled: Readonly<Record<string, unknown>>, env: NodeJS.ProcessEnv): Finding[] {
  const faults = fillings.flatMap(({ variable, fault }) => (fault === undefined ? [] : [unusableVariable(variable, fault)]));
  const protocol = firstOf(env, 'OTEL_EXPORTER_OTLP_TRACES_PROTOCOL', 'OTEL_EXPORTER_OTLP_PROTOCOL');
  const isFilled = (key: Filling['key']) => fillings.find((filling) => filling.key === key);
  if (isFilled('tracesEndpoint') && protocol !== undefined && !protocol.text.startsWith('http/'))
    faults.push(unusableVariable(protocol.variable, 'asks for another protocol than HTTP'));
  const { variable } = isFilled('headers') ?? isFilled('tracesEndpoint') ?? {};
  if (variable !== undefined && faults.length === 0 && isExposed(filled))
    faults.push(unusableVariable(variable, 'would send header fields by http to a host that is not loopback'));
  return faults;
}

/** What a rule refuses in a config. */
function isExposed({ tracesEndpoint, headers, unsafeHttp }: Readonly<Record<string, unknown>>): boolean {
  const hasHeaders = isObject(headers) && Object.keys(headers).length > 0;
  return hasHeaders && unsafeHttp !== true && typeof tracesEndpoint === 'string' && isExposedHttp(tracesEndpoint);
}

function unusableVariable(variable: string, fault: string): Finding {
  return warning([], `the environment has ${variable}, which ${fault}: no traces are sent; correct it, or set OTEL_TRACES_EXPORTER=none`);
}
