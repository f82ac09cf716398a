/** `token-broker check --online`: discovery, clocks, each grant, each upstream, the keys of each issuer of callers and the store, tried for real. */

import type { AuthorizationServer } from '../authorization-server/authorization-server.ts';
import { createIssuerKeys } from '../authorization-server/issuer-keys.ts';
import { unverifiable } from '../caller/jwt.ts';
import { systemClock } from '../clock.ts';
import type { JwtConfig } from '../config/schema/callers.ts';
import type { Config } from '../config/schema/root.ts';
import { type Validity, validityState } from '../config/validity.ts';
import { withBoundCertificate } from '../token/bound-certificate.ts';
import { probeStore } from '../token/store/probe.ts';
import { Tokens } from '../token/tokens.ts';
import { UNOBSERVED } from '../token/unobserved.ts';
import { probeUpstream } from '../upstream/probe.ts';
import { describeFailure, describeStoreFailure } from './describe-failure.ts';
import { whyNotTried } from './own-grant.ts';
import { duration } from './time-text.ts';

/** One thing that was tried. */
export interface OnlineResult {
  /** `token orders`, `upstream of route orders`. */
  readonly what: string;
  readonly ok: boolean;
  readonly ms: number;
  /** What came of it, without a secret. */
  readonly said: string;
}

/** `Date` has whole seconds, and an answer takes its time. Milliseconds. */
const NEAR_MS = 2_000;
/** What servers commonly bear. Milliseconds. */
const TOLERATED_MS = 60_000;

/** Tries everything at the same time. Tokens are discarded: none is read from a store or written to one. */
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
      ...[...tokens.servers()]
        .filter(([name]) => config.authorizationServers[name]?.tokenEndpoint === undefined)
        .map(([name, server]) => attempt(`authorization server ${name}`, () => discover(server))),
      ...tokens.all().map((source) =>
        attempt(`token ${source.name}`, async () => {
          const { lifetimeMs, missingScope } = await source.get();
          const lacking = missingScope.length === 0 ? '' : `, without the scope "${missingScope.join(' ')}" that it asks for`;
          return `granted, lasts ${Math.round(lifetimeMs / 1000)}s${lacking}`;
        }),
      ),
      ...Object.entries(config.routes).map(([name, route]) =>
        attempt(`upstream of route ${name}`, async () => {
          const certificate = await probeUpstream(withBoundCertificate(route, config.tokens));
          return certificate === undefined ? 'connected' : `connected, ${certificateText(certificate)}`;
        }),
      ),
      ...Object.entries(config.callers).flatMap(([name, { jwt }]) =>
        jwt === undefined ? [] : [attempt(`keys for caller ${name}`, () => readKeys(jwt))],
      ),
      ...storeAttempts(config),
    ]);
    return [...skipped, ...results, ...clockResults(tokens)];
  } finally {
    await tokens.close();
  }
}

async function discover(server: AuthorizationServer): Promise<string> {
  await server.endpoint();
  return 'metadata read';
}

/** By the answers to what was tried: of a server that was not asked, nothing is known. */
function clockResults(tokens: Tokens): OnlineResult[] {
  return [...tokens.servers()].flatMap(([name, { clockAheadMs }]): OnlineResult[] => {
    if (clockAheadMs === undefined) return [];
    const apartMs = Math.abs(clockAheadMs);
    const said = `${duration(apartMs / 1000)} ${clockAheadMs > 0 ? 'ahead of' : 'behind'} this machine's`;
    const what = `clock of authorization server ${name}`;
    if (apartMs <= NEAR_MS) return [{ what, ok: true, ms: 0, said: "as this machine's" }];
    if (apartMs <= TOLERATED_MS) return [{ what, ok: true, ms: 0, said }];
    return [
      { what, ok: false, ms: 0, said: `${said}: signed assertions, DPoP proofs and JWTs of callers fail; set the clock that is wrong` },
    ];
  });
}

function certificateText(validity: Validity): string {
  const end = new Date(validity.notAfterAt).toISOString().slice(0, 10);
  return validityState(validity, systemClock.now()) === 'ending' ? `but its certificate ends on ${end}` : `certificate good until ${end}`;
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

function storeAttempts({ store }: Config): Promise<OnlineResult>[] {
  if (store?.redis === undefined) return [];
  const { redis, prefix } = store;
  const probe = async () => {
    await probeStore(redis, prefix, systemClock);
    return 'works';
  };
  return [attempt('store', probe, describeStoreFailure)];
}

async function attempt(what: string, action: () => Promise<string>, describe = describeFailure): Promise<OnlineResult> {
  const startedAt = systemClock.monotonic();
  const elapsed = () => Math.round(systemClock.monotonic() - startedAt);
  try {
    const said = await action();
    return { what, ok: true, ms: elapsed(), said };
  } catch (cause) {
    return { what, ok: false, ms: elapsed(), said: describe(cause) };
  }
}
