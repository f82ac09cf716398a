/** `telemetry`: where traces go. Absent: nowhere, at no cost. */

import * as z from 'zod';
import { fieldValueProblem } from '../contents.ts';
import { material } from './references.ts';
import { fieldName, httpUrl } from './values.ts';

export const telemetry = z.strictObject({
  // Whoever reads the schema must not be told that it is required: the environment has filled it in before this looks.
  tracesEndpoint: httpUrl
    .meta({ examples: ['http://127.0.0.1:4318/v1/traces'] })
    .optional()
    .transform((text, context) => {
      if (text === undefined) context.addIssue('is missing');
      return text ?? z.NEVER;
    })
    .describe(
      'Where spans are posted as OTLP/HTTP in JSON. Default: OTEL_EXPORTER_OTLP_TRACES_ENDPOINT, else "/v1/traces" below OTEL_EXPORTER_OTLP_ENDPOINT; one of the three must say it.',
    ),
  headers: z
    .record(fieldName, material(fieldValueProblem))
    .default({})
    .describe(
      'Header fields to send along; values may be secrets. Default: OTEL_EXPORTER_OTLP_TRACES_HEADERS or OTEL_EXPORTER_OTLP_HEADERS.',
    ),
  serviceName: z
    .string()
    .min(1)
    .max(200)
    .default('token-broker')
    .describe(
      '"service.name" of the spans. OTEL_SERVICE_NAME, or "service.name" among OTEL_RESOURCE_ATTRIBUTES, stands in for the default.',
    ),
  resourceAttributes: z
    .record(z.string().min(1).max(200), z.string().max(1_000))
    .default({})
    .meta({ examples: [{ 'deployment.environment.name': 'production' }] })
    .describe('What else is said of where the spans come from. Default: OTEL_RESOURCE_ATTRIBUTES.'),
  sampleRatio: z
    .number()
    .min(0)
    .max(1)
    .default(1)
    .describe(
      'Share of the traces begun here that are recorded. A trace that a caller brings is recorded when the caller says so. OTEL_TRACES_SAMPLER and OTEL_TRACES_SAMPLER_ARG stand in for the default.',
    ),
  unsafeHttp: z
    .literal(true)
    .optional()
    .describe('Allows "headers" over http to a host that is not loopback: what is secret in them travels in the clear.'),
});

export type TelemetryConfig = z.output<typeof telemetry>;
