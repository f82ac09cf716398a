/** Rules about `telemetry`: what is secret in its fields must not travel in the clear. */

import { problem, warning } from '../problem.ts';
import { isExposedHttp, type Rule } from './rule.ts';

export const telemetryRules: Rule = ({ config: { telemetry } }) => {
  if (telemetry === undefined) return [];
  if (telemetry.unsafeHttp) return [warning(['telemetry', 'unsafeHttp'], 'lets "headers" travel unencrypted, for all on the way to read')];
  if (Object.keys(telemetry.headers).length === 0 || !isExposedHttp(telemetry.tracesEndpoint)) return [];
  const message = 'is http to a host that is not loopback, where "headers" travel unencrypted; use https, or say "unsafeHttp": true';
  return [problem(['telemetry', 'tracesEndpoint'], message)];
};
