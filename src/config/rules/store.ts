/** Rules about `store`: others may read what stands there. */

import { isLoopbackHost } from '../loopback.ts';
import { type Finding, problem, warning } from '../problem.ts';
import type { RedisConfig } from '../schema/redis.ts';
import type { Rule } from './rule.ts';

export const storeRules: Rule = ({ config: { store } }) => {
  if (store === undefined) return [];
  const findings: Finding[] = [];
  const ids = (store.encryption?.keys ?? []).map(({ id }) => id);
  ids.forEach((id, index) => {
    if (ids.indexOf(id) < index)
      findings.push(problem(['store', 'encryption', 'keys', index, 'id'], 'is the id of an earlier key; give each its own'));
  });
  if (store.unsafePlaintext)
    findings.push(warning(['store', 'unsafePlaintext'], 'leaves tokens in Redis unencrypted, for all who can read there'));
  return store.redis === undefined ? findings : [...findings, ...redisFindings(store.redis)];
};

const IN_THE_CLEAR = 'to a host that is not loopback: its password travels unencrypted;';

function redisFindings({ url, cluster, sentinel, username, password, tls }: RedisConfig): Finding[] {
  const path = ['store', 'redis'];
  const nodes = [...(cluster?.nodes ?? []), ...(sentinel?.nodes ?? [])];
  if (tls === undefined && nodes.some(({ host }) => !isLoopbackHost(host))) {
    return [warning([...path, cluster === undefined ? 'sentinel' : 'cluster'], `goes ${IN_THE_CLEAR} add "tls": {}`)];
  }
  const parsed = url?.filled && URL.canParse(url.reveal()) ? new URL(url.reveal()) : undefined;
  if (parsed === undefined) return [];
  const findings: Finding[] = [];
  if (parsed.username !== '' && username !== undefined)
    findings.push(problem([...path, 'username'], 'stands in "url" too; remove one of them'));
  if (parsed.password !== '' && password !== undefined)
    findings.push(problem([...path, 'password'], 'stands in "url" too; remove one of them'));
  if (parsed.protocol === 'redis:' && !isLoopbackHost(parsed.hostname))
    findings.push(warning([...path, 'url'], `is redis:// ${IN_THE_CLEAR} use rediss://`));
  if (parsed.protocol === 'redis:' && tls !== undefined)
    findings.push(warning([...path, 'tls'], 'has no effect on redis://; use rediss://'));
  return findings;
}
