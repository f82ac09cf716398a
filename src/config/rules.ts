/** Everything the contract refuses or warns about that one value alone cannot tell. */

import type { Finding } from './problem.ts';
import { authorizationServerRules } from './rules/authorization-servers.ts';
import { callerRules } from './rules/callers.ts';
import { demoRules } from './rules/demo.ts';
import { extAuthzRules } from './rules/ext-authz.ts';
import { jwtCallerRules } from './rules/jwt-callers.ts';
import { listenerRules } from './rules/listeners.ts';
import { negotiateRules } from './rules/negotiate.ts';
import { ownCredentialsRules } from './rules/own-credentials.ts';
import { refreshTokenRules } from './rules/refresh-tokens.ts';
import { routeRules } from './rules/routes.ts';
import type { Rule, RuleContext } from './rules/rule.ts';
import { storeRules } from './rules/store.ts';
import { telemetryRules } from './rules/telemetry.ts';
import { tokenEndpointRules } from './rules/token-endpoint.ts';
import { tokenRules } from './rules/tokens.ts';

const RULES: readonly Rule[] = [
  listenerRules,
  extAuthzRules,
  callerRules,
  jwtCallerRules,
  negotiateRules,
  authorizationServerRules,
  tokenRules,
  refreshTokenRules,
  routeRules,
  ownCredentialsRules,
  tokenEndpointRules,
  storeRules,
  telemetryRules,
  demoRules,
];

/** Runs every rule on what is sound of a config. */
export function ruleFindings(context: RuleContext): Finding[] {
  return RULES.flatMap((rule) => rule(context));
}
