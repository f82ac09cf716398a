/** Rules about listeners that serve `token-endpoint`, and the `callers` of tokens: who is handed a token can use it. */

import { ownCredentialsPlace } from '../own-credentials.ts';
import type { ConfigPath } from '../path.ts';
import { type Finding, problem, warning } from '../problem.ts';
import type { ListenerConfig } from '../schema/listeners.ts';
import type { Config } from '../schema/root.ts';
import type { TokenConfig } from '../schema/tokens.ts';
import { type Rule, type RuleContext, referenceFindings } from './rule.ts';

export const tokenEndpointRules: Rule = (context) => {
  const { listeners, tokens } = context.config;
  return [
    ...Object.entries(listeners).flatMap(([name, listener]) => listenerFindings(listener, ['listeners', name], context)),
    ...Object.entries(tokens).flatMap(([name, token]) => callerFindings(token, ['tokens', name, 'callers'], context)),
    ...routeFindings(context),
  ];
};

function isTokenEndpoint(listener: ListenerConfig | undefined): boolean {
  return listener?.serve === 'token-endpoint';
}

function listenerFindings(listener: ListenerConfig, path: ConfigPath, { config, complete }: RuleContext): Finding[] {
  if (!isTokenEndpoint(listener)) return [];
  const findings: Finding[] = [];
  const at = listener.authenticate.indexOf('basic-passthrough');
  if (at !== -1) {
    findings.push(
      problem(
        [...path, 'authenticate', at],
        'lets in whom nobody has authenticated, and tokens are handed to callers; use "basic", "mtls", "jwt", "negotiate" or "anonymous"',
      ),
    );
  }
  if (complete && Object.values(config.tokens).every(({ callers }) => callers.length === 0))
    findings.push(warning([...path, 'serve'], 'has nothing to hand out: no token lists "callers"; list them in one'));
  return findings;
}

function callerFindings(token: TokenConfig, path: ConfigPath, context: RuleContext): Finding[] {
  const { callers } = token;
  if (callers.length === 0) return [];
  const { config, complete } = context;
  const unknown = callers.flatMap((caller, index) => unknownFindings(caller, [...path, index], context));
  const why = whyNotHandedOut(token);
  const findings = why === undefined ? unknown : [...unknown, problem(path, `${why}; remove it`, 'key')];
  if (complete && !Object.values(config.listeners).some(isTokenEndpoint))
    findings.push(warning(path, 'has no effect, since no listener has "serve": "token-endpoint"; add one, or remove it', 'key'));
  return findings;
}

function unknownFindings(caller: string, path: ConfigPath, context: RuleContext): Finding[] {
  if (caller === '*' || caller === 'anonymous') return [];
  if (caller === 'basic-passthrough')
    return [problem(path, 'is nobody whom a token can be handed to: nobody has authenticated who that is; remove it')];
  return referenceFindings(caller, 'callers', path, context);
}

function whyNotHandedOut(token: TokenConfig): string | undefined {
  if (token.dpop !== undefined) return 'names who is handed a token that is worth nothing without a key of this process ("dpop")';
  if (token.certificateBound) return 'names who is handed a token that is worth nothing without a key of this broker ("certificateBound")';
  return ownCredentialsPlace(token) && 'names who is handed a token that is made from what each caller brings to a route';
}

function routeFindings({ config: { listeners, routes }, complete }: RuleContext): Finding[] {
  const misled = Object.entries(routes).flatMap(([name, route]) =>
    (route.listeners ?? []).flatMap((listener, index) =>
      isTokenEndpoint(listeners[listener])
        ? [problem(['routes', name, 'listeners', index], 'is a listener that serves "token-endpoint", and no routes; remove it')]
        : [],
    ),
  );
  if (!complete || Object.keys(routes).length === 0 || !Object.values(listeners).every(isTokenEndpoint)) return misled;
  return [...misled, warning(['routes'], 'lead nowhere: each listener serves "token-endpoint"; add one that serves "proxy"', 'key')];
}

/** The listeners where the routes of a config are. */
export function listenersOfRoutes({ listeners }: Config): [string, ListenerConfig][] {
  return Object.entries(listeners).filter(([, listener]) => !isTokenEndpoint(listener));
}
