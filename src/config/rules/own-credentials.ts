/** Rules about tokens that are made from the caller's own credentials: somebody can bring them, and nobody gets in by them alone. */

import { canBringCredentials, ownCredentialsPlace } from '../own-credentials.ts';
import { type Finding, problem } from '../problem.ts';
import type { Config } from '../schema/root.ts';
import type { RouteConfig } from '../schema/routes.ts';
import type { TokenConfig } from '../schema/tokens.ts';
import type { Rule } from './rule.ts';
import { listenersOfRoutes } from './token-endpoint.ts';

export const ownCredentialsRules: Rule = ({ config, complete }) => [
  ...Object.entries(config.tokens).flatMap(([name, token]) => tokenFindings(name, token)),
  ...Object.entries(config.routes).flatMap(([name, route]) => routeFindings(name, route, config, complete)),
];

function tokenFindings(name: string, token: TokenConfig): Finding[] {
  const place = ownCredentialsPlace(token);
  if (token.grant === 'saml2_bearer' && place?.in === 'bearer')
    return [
      problem(
        ['tokens', name],
        'needs "subjectField": an assertion does not come in "Authorization"; name the field in which callers bring it',
        'key',
      ),
    ];
  if (place !== undefined) return [];
  const key = token.grant === 'password' ? 'resourceOwner' : 'subject';
  return (['subjectField', 'maxCallers'] as const)
    .filter((only) => (token as Partial<Record<typeof only, unknown>>)[only] !== undefined)
    .map((only) => problem(['tokens', name, only], `is for "${key}": "caller" alone; remove it, or say that`, 'key'));
}

function routeFindings(name: string, route: RouteConfig, config: Config, complete: boolean): Finding[] {
  const token = route.token === null ? undefined : config.tokens[route.token];
  // One that is there but has problems of its own is told about elsewhere.
  if (route.token !== null && token === undefined) return [];
  const place = token && ownCredentialsPlace(token);
  const at = route.callers.indexOf('basic-passthrough');
  const findings: Finding[] = [];
  if (at !== -1 && place?.in !== 'basic') {
    const wayOut = 'remove it, or name a token with "resourceOwner": "caller"';
    findings.push(
      problem(
        ['routes', name, 'callers', at],
        `lets in whom nobody has authenticated: the token is not made from these credentials; ${wayOut}`,
      ),
    );
  }
  const listeners = listenersOfRoutes(config).filter(([listener]) => route.listeners?.includes(listener) ?? true);
  if (complete && place !== undefined && !listeners.some(([, listener]) => canBringCredentials(listener, place))) {
    findings.push(problem(['routes', name, 'token'], `is made from what callers bring, and ${WHY_NONE[place.in]}`));
  }
  return findings;
}

const WHY_NONE = {
  basic: 'no listener of this route has "basic-passthrough"; add it to "authenticate" of one',
  bearer:
    'at each listener of this route "Authorization" is where callers prove who they are; add "jwt", "mtls" or "anonymous" to one, or name a "subjectField"',
  field: 'no listener of this route knows its callers; add "basic", "jwt", "mtls", "negotiate" or "anonymous" to "authenticate" of one',
};
