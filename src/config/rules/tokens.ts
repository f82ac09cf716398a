/** Rules about `tokens`: where they come from, and lifetimes that leave something to live. */

import type { ConfigPath } from '../path.ts';
import { type Finding, problem, warning } from '../problem.ts';
import type { Config } from '../schema/root.ts';
import type { RouteConfig } from '../schema/routes.ts';
import type { RenewConfig, TokenConfig } from '../schema/tokens.ts';
import { Secret } from '../secret.ts';
import { boundTokenFindings } from './bound-tokens.ts';
import { clientAuthenticationFindings } from './client-authentication.ts';
import { sameFieldFindings } from './fields.ts';
import { isExposedHttp, type Rule, referenceFindings } from './rule.ts';
import { algorithmFindings } from './signing.ts';

export const tokenRules: Rule = (context) => {
  const used = new Set(Object.values(context.config.routes).map((route) => route.token));
  return Object.entries(context.config.tokens).flatMap(([name, token]) => {
    const path = ['tokens', name];
    return [
      ...referenceFindings(token.authorizationServer, 'authorizationServers', [...path, 'authorizationServer'], context),
      ...clientAuthenticationFindings(token, path, context.config),
      ...boundTokenFindings(token, path, context.config),
      ...registrationFindings(token, [...path, 'registration'], context.config),
      ...revocationFindings(token, path, context.config),
      ...upstreamFromFindings(token, [...path, 'upstreamFrom', 'allow'], usersOf(name, context.config)),
      ...renewFindings(token.renew, [...path, 'renew']),
      ...signedSubjectFindings(token, path),
      ...sameFieldFindings(Object.keys(token.headers ?? {}), [...path, 'headers']),
      ...(context.complete && !used.has(name) && token.callers.length === 0
        ? [warning(path, 'is used by no route; name it in one, or remove it', 'key')]
        : []),
    ];
  });
};

function revocationFindings(token: TokenConfig, path: ConfigPath, { authorizationServers, store }: Config): Finding[] {
  if (!token.revokeOnShutdown) return [];
  const at = [...path, 'revokeOnShutdown'];
  if (store?.redis !== undefined)
    return [problem(at, 'would end a token that other replicas use, since there is a "store" in Redis; remove it')];
  return endpointFindings(token, at, 'revocationEndpoint', authorizationServers);
}

function endpointFindings(
  { authorizationServer: name }: TokenConfig,
  path: ConfigPath,
  endpoint: 'revocationEndpoint' | 'registrationEndpoint',
  servers: Config['authorizationServers'],
): Finding[] {
  const server = servers[name];
  if (server?.tokenEndpoint === undefined || server[endpoint] !== undefined) return [];
  return [problem(path, `needs "authorizationServers.${name}.${endpoint}", since with "tokenEndpoint" no metadata is read`)];
}

function registrationFindings(token: TokenConfig, path: ConfigPath, { authorizationServers }: Config): Finding[] {
  const { registration } = token;
  if (registration === undefined) return [];
  const { clientAuthentication: authentication } = registration;
  return [
    ...endpointFindings(token, path, 'registrationEndpoint', authorizationServers),
    ...(authentication.method === 'private_key_jwt'
      ? algorithmFindings(authentication, [...path, 'clientAuthentication', 'alg'], (fitting) => `remove it, or use ${fitting}`)
      : []),
  ];
}

/** The routes that have the token sent. */
function usersOf(name: string, { routes }: Config): RouteConfig[] {
  return Object.values(routes).filter((route) => route.token === name);
}

function upstreamFromFindings({ upstreamFrom }: TokenConfig, path: ConfigPath, routes: readonly RouteConfig[]): Finding[] {
  if (routes.every((route) => route.unsafeHttp)) return [];
  return (upstreamFrom?.allow ?? []).flatMap((origin, index) =>
    isExposedHttp(origin)
      ? [
          problem(
            [...path, index],
            'is http to a host that is not loopback, where the token travels unencrypted; use https, or say "unsafeHttp": true in each route with this token',
          ),
        ]
      : [],
  );
}

function renewFindings({ before, hardMargin, maxLifetime, defaultLifetime }: RenewConfig, path: ConfigPath): Finding[] {
  const findings: Finding[] = [];
  // "0s" is its own case: renewed only when the one before has ended.
  if (before !== undefined && before > 0 && hardMargin !== undefined && hardMargin >= before) {
    findings.push(
      problem([...path, 'hardMargin'], 'is not shorter than "before": no token would be usable while it is renewed; make it shorter'),
    );
  }
  if (hardMargin !== undefined && hardMargin >= Math.min(maxLifetime, defaultLifetime)) {
    findings.push(
      problem(
        [...path, 'hardMargin'],
        'is not shorter than "maxLifetime" and "defaultLifetime": no token could ever be sent; make it shorter',
      ),
    );
  }
  if (before !== undefined && before >= maxLifetime) {
    findings.push(problem([...path, 'before'], 'is not shorter than "maxLifetime": every token would be renewed at once; make it shorter'));
  }
  return findings;
}

function signedSubjectFindings(token: TokenConfig, path: ConfigPath): Finding[] {
  if (token.grant !== 'jwt_bearer' || token.subject === 'caller' || token.subject instanceof Secret) return [];
  return algorithmFindings(token.subject.sign, [...path, 'subject', 'sign', 'alg'], (fitting) => `use ${fitting}, or another key`);
}
