/** In words: where a request goes, with what, and why; or which token it is answered with. */

import type { Config } from '../config/schema/root.ts';
import type { RouteConfig } from '../config/schema/routes.ts';
import type { TokenConfig } from '../config/schema/tokens.ts';
import type { Address } from '../config/schema/values.ts';
import type { RouteMatch } from '../route/router.ts';
import { authorityOf } from '../wire/place.ts';

export interface AskingCaller {
  readonly name: string;
  /** How it is known. */
  readonly method: string;
}

interface Found {
  readonly listener: string;
  readonly caller: AskingCaller;
  readonly method: string;
}

/** One line for each stage. No secret stands in any. */
export function describeMatch(config: Config, found: Found, match: RouteMatch): string[] {
  const { config: rule } = match.route;
  return [
    ...describeRoute(config, found, match),
    `upstream  ${upstreamText(found, match)}${upstreamNote(config, rule)}`,
    `fields    ${fieldTexts(config, rule).join(', ')}; the caller's own pass, but for ${['those of one connection', 'its credentials', ...rule.removeHeaders].join(', ')}`,
  ];
}

/** The same for a proxy that asks, and sends the request on itself. */
export function describeGranted(config: Config, found: Found, match: RouteMatch): string[] {
  const { dialect } = config.listeners[found.listener] as Config['listeners'][string];
  return [
    ...describeRoute(config, found, match),
    `upstream  ${upstreamText(found, match)}, if ${dialect} sends it there`,
    `fields    ${grantedTexts(config, match.route.config).join(', ') || 'none'}; for ${dialect} to put on the request`,
  ];
}

function describeRoute(config: Config, found: Found, { route: { name, config: rule } }: RouteMatch): string[] {
  const conditions = [
    `path "${rule.path}"`,
    rule.host && `host "${rule.host}"`,
    rule.methods && `methods ${rule.methods.join(', ')}`,
    rule.listeners && `listeners ${rule.listeners.join(', ')}`,
    `callers ${rule.callers.join(', ')}`,
  ].filter((each) => each !== undefined);
  return [
    ...describeCaller(config, found),
    `route     ${name}: the longest path that fits and is open to the caller (${conditions.join('; ')})`,
    `token     ${tokenText(config, rule.token)}`,
  ];
}

function upstreamText({ method }: Found, { route, target }: RouteMatch): string {
  return `${method} ${route.upstreamOrigin}${target}`;
}

/** The same for who is handed the token itself. */
export function describeHandedOut(config: Config, found: Found, name: string, { callers, scope }: TokenConfig): string[] {
  return [
    ...describeCaller(config, found),
    `token     ${tokenText(config, name)} (callers ${callers.join(', ')})`,
    `answer    the token itself; what is asked for as "scope" must be within ${scope === undefined ? 'what the server grants' : `"${scope}"`}`,
  ];
}

export function describeMetadata(config: Config, listener: string, metadata: Readonly<Record<string, unknown>>): string[] {
  return [
    describeListener(config, listener),
    'caller    whoever asks: it tells no secret, nor which tokens there are',
    `answer    metadata of the issuer ${String(metadata['issuer'])}, for OAuth client libraries`,
  ];
}

function describeCaller(config: Config, { listener, caller }: Found): string[] {
  return [describeListener(config, listener), `caller    ${caller.name}${caller.name === caller.method ? '' : `, by ${caller.method}`}`];
}

function describeListener({ listeners }: Config, listener: string): string {
  const { address, authenticate } = listeners[listener] as Config['listeners'][string];
  return `listener  ${listener} (${addressText(address)}, accepts ${authenticate.join(', ')})`;
}

export function addressText(address: Address): string {
  return address.kind === 'unix' ? `unix:${address.path}` : authorityOf(address);
}

function tokenText({ tokens }: Config, name: string | null): string {
  const token = name === null ? undefined : tokens[name];
  return token === undefined ? 'none' : `${name}: ${token.grant} at authorization server "${token.authorizationServer}"`;
}

function upstreamNote({ tokens }: Config, { token, upstreamSocket, proxy }: RouteConfig): string {
  if (upstreamSocket !== undefined) return ` (by the Unix socket ${upstreamSocket})`;
  if (token !== null && tokens[token]?.upstreamFrom !== undefined) return ' (or the origin that the answer to the grant names)';
  return proxy === undefined ? '' : ' (through a proxy)';
}

/** Those that are set, with what they hold where that is known beforehand and may be shown. */
function fieldTexts(config: Config, route: RouteConfig): string[] {
  const { upstream, hostHeader, via, forwarded } = route;
  return [
    `host: ${hostHeader ?? new URL(upstream).host}`,
    'x-request-id',
    'traceparent',
    ...(via ? ['via: 1.1 token-broker'] : []),
    ...(forwarded ? ['forwarded', 'x-forwarded-for', 'x-forwarded-proto', 'x-forwarded-host'] : []),
    ...grantedTexts(config, route),
  ];
}

/** What a route adds of its own. */
function grantedTexts({ tokens }: Config, { token: name, headers, inject }: RouteConfig): string[] {
  const token = name === null ? undefined : tokens[name];
  const scheme = inject.scheme ?? (token?.dpop === undefined ? 'Bearer' : 'DPoP');
  return [
    ...Object.keys(headers),
    ...(token === undefined ? [] : [`${inject.header}: ${scheme === '' ? '' : `${scheme} `}<token ${name}>`]),
    ...(token?.dpop === undefined ? [] : ['DPoP: <proof>']),
  ];
}
