/** Rules about `store`: others may read what stands there. */

import { isLoopbackHost } from '../loopback.ts';
import { type Finding, problem, warning } from '../problem.ts';
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
  const { url } = store.redis;
  const parsed = url.filled && URL.canParse(url.reveal()) ? new URL(url.reveal()) : undefined;
  if (parsed?.protocol === 'redis:' && !isLoopbackHost(parsed.hostname)) {
    findings.push(
      warning(['store', 'redis', 'url'], 'is redis:// to a host that is not loopback: its password travels unencrypted; use rediss://'),
    );
  }
  if (parsed?.protocol === 'redis:' && store.redis.tls !== undefined) {
    findings.push(warning(['store', 'redis', 'tls'], 'has no effect on redis://; use rediss://'));
  }
  return findings;
};
