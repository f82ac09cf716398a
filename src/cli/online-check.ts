/** `token-broker check --online`: each grant, each upstream and the keys of each issuer of callers, tried for real. */

import { createIssuerKeys } from '../authorization-server/issuer-keys.ts';
import { unverifiable } from '../caller/jwt.ts';
import { systemClock } from '../clock.ts';
import type { JwtConfig } from '../config/schema/callers.ts';
import type { Config } from '../config/schema/root.ts';
import { withBoundCertificate } from '../token/bound-certificate.ts';
import { Tokens } from '../token/tokens.ts';
import { UNOBSERVED } from '../token/unobserved.ts';
import { probeUpstream } from '../upstream/probe.ts';
import { describeFailure, whyNotTried } from './own-grant.ts';

/** One thing that was tried. */
export interface OnlineResult {
  /** `token orders`, `upstream of route orders`. */
  readonly what: string;
  readonly ok: boolean;
  readonly ms: number;
  /** What came of it, without a secret. */
  readonly said: string;
}

/** Tries everything at the same time. Tokens are discarded, and nothing is read from or written to a store. */
export async function checkOnline(config: Config): Promise<OnlineResult[]> {
  const tried = Object.fromEntries(Object.entries(config.tokens).filter(([, token]) => whyNotTried(token) === undefined));
  const skipped = Object.entries(config.tokens).flatMap(([name, token]) => {
    const said = whyNotTried(token);
    return said === undefined ? [] : [{ what: `token ${name}`, ok: true, ms: 0, said: `skipped: ${said}` }];
  });
  const tokens = new Tokens({
    config: { ...config, tokens: tried, store: undefined },
    clock: systemClock,
    ...UNOBSERVED,
  });
  try {
    const results = await Promise.all([
      ...tokens.all().map((source) =>
        attempt(`token ${source.name}`, async () => {
          const token = await source.get();
          return `granted, lasts ${Math.round(token.lifetimeMs / 1000)}s`;
        }),
      ),
      ...Object.entries(config.routes).map(([name, route]) =>
        attempt(`upstream of route ${name}`, async () => {
          await probeUpstream(withBoundCertificate(route, config.tokens));
          return 'connected';
        }),
      ),
      ...Object.entries(config.callers).flatMap(([name, { jwt }]) =>
        jwt === undefined ? [] : [attempt(`keys for caller ${name}`, () => readKeys(jwt))],
      ),
    ]);
    return [...skipped, ...results];
  } finally {
    await tokens.close();
  }
}

async function readKeys(jwt: JwtConfig): Promise<string> {
  const source = createIssuerKeys(jwt, systemClock, { changed() {}, failed() {} });
  try {
    const { size } = await source.get().catch(unverifiable);
    return `${size} read`;
  } finally {
    await source.close();
  }
}

async function attempt(what: string, action: () => Promise<string>): Promise<OnlineResult> {
  const startedAt = systemClock.monotonic();
  const elapsed = () => Math.round(systemClock.monotonic() - startedAt);
  try {
    const said = await action();
    return { what, ok: true, ms: elapsed(), said };
  } catch (cause) {
    return { what, ok: false, ms: elapsed(), said: describeFailure(cause) };
  }
}
