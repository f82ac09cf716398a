/** Rules about `authorizationServers`: client secrets travel there. */

import { type Finding, problem, warning } from '../problem.ts';
import { sameFieldFindings } from './fields.ts';
import { isExposedHttp, type Rule } from './rule.ts';

const URL_KEYS = ['issuer', 'metadataUrl', 'tokenEndpoint', 'revocationEndpoint', 'registrationEndpoint'] as const;

export const authorizationServerRules: Rule = ({ config, complete }) => {
  const used = new Set(Object.values(config.tokens).map((token) => token.authorizationServer));
  return Object.entries(config.authorizationServers).flatMap(([name, server]) => {
    const path = ['authorizationServers', name];
    const findings: Finding[] = URL_KEYS.filter((key) => isExposedHttp(server[key], server.proxy) && !server.unsafeHttp).map((key) =>
      problem(
        [...path, key],
        'is http to a host that is not loopback, where client secrets travel unencrypted; use https, or say "unsafeHttp": true',
      ),
    );
    if (isExposedHttp(server.initiation?.url, server.proxy) && !server.unsafeHttp) {
      findings.push(
        problem([...path, 'initiation', 'url'], 'is http to a host that is not loopback; use https, or say "unsafeHttp": true'),
      );
    }
    findings.push(...sameFieldFindings(Object.keys(server.initiation?.headers ?? {}), [...path, 'initiation', 'headers']));
    if (server.metadataUrl !== undefined && server.issuer === undefined) {
      findings.push(problem([...path, 'metadataUrl'], 'needs "issuer" beside it; the document must name that issuer'));
    }
    if (server.unsafeHttp)
      findings.push(warning([...path, 'unsafeHttp'], 'lets client secrets and tokens travel unencrypted, for all on the way to read'));
    if (complete && !used.has(name)) findings.push(warning(path, 'issues no token; name it in one, or remove it', 'key'));
    return findings;
  });
};
