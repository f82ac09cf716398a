/** Rules about `demo`: what it plays must be defined. */

import type { Finding } from '../problem.ts';
import { problem } from '../problem.ts';
import { type Rule, referenceFindings } from './rule.ts';

export const demoRules: Rule = (context) => {
  const { demo, callers } = context.config;
  if (demo === undefined) return [];
  const { authorizationServer, call } = demo;
  const caller = Object.hasOwn(callers, call.caller) ? callers[call.caller] : undefined;
  const findings: Finding[] = [
    ...referenceFindings(authorizationServer.name, 'authorizationServers', ['demo', 'authorizationServer', 'name'], context),
    ...referenceFindings(call.listener, 'listeners', ['demo', 'call', 'listener'], context),
    ...referenceFindings(call.caller, 'callers', ['demo', 'call', 'caller'], context),
  ];
  if (caller !== undefined && caller.basic === undefined) {
    findings.push(problem(['demo', 'call', 'caller'], 'names a caller without "basic"; the call is made with a password'));
  }
  return findings;
};
