/** Rules about `demo`: what it plays must be defined. */

import type { Finding } from '../problem.ts';
import { problem } from '../problem.ts';
import { type Rule, referenceFindings } from './rule.ts';

/** What its authorization server can do with nothing but the config. */
const DEMO_GRANTS = new Set(['client_credentials', 'password']);

export const demoRules: Rule = (context) => {
  const { demo, listeners, callers, tokens } = context.config;
  if (demo === undefined) return [];
  const { authorizationServer, call } = demo;
  const caller = Object.hasOwn(callers, call.caller) ? callers[call.caller] : undefined;
  const findings: Finding[] = [
    ...referenceFindings(authorizationServer.name, 'authorizationServers', ['demo', 'authorizationServer', 'name'], context),
    ...referenceFindings(call.listener, 'listeners', ['demo', 'call', 'listener'], context),
    ...referenceFindings(call.caller, 'callers', ['demo', 'call', 'caller'], context),
  ];
  if (Object.hasOwn(listeners, call.listener) && listeners[call.listener]?.tls !== undefined)
    findings.push(problem(['demo', 'call', 'listener'], 'names a listener with "tls"; the call is made in the clear, so name another'));
  for (const [name, token] of Object.entries(tokens)) {
    const asksDemo = token.authorizationServer === authorizationServer.name;
    if (asksDemo && token.registration !== undefined)
      findings.push(problem(['tokens', name, 'registration'], 'is not possible at the demo\'s authorization server; give "clientId"'));
    if (asksDemo && !DEMO_GRANTS.has(token.grant)) {
      findings.push(
        problem(['tokens', name, 'grant'], 'is not known to the demo\'s authorization server; use "client_credentials" or "password"'),
      );
    }
    if (asksDemo && token.dpop !== undefined && token.grant === 'password') {
      findings.push(
        problem(['tokens', name, 'dpop'], 'is not known to the demo\'s password grant; use "client_credentials", or remove it'),
      );
    }
  }
  const isOfFile = caller === undefined && context.complete && context.names.callers?.includes(call.caller) === true;
  if (isOfFile || (caller !== undefined && caller.basic === undefined)) {
    findings.push(
      problem(['demo', 'call', 'caller'], 'names a caller without "basic" under "callers"; the call is made with its password'),
    );
  }
  return findings;
};
