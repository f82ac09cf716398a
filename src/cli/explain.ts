/** `token-broker explain`: what would become of a request, and why, without sending it. */

import { Command } from 'commander';
import { readHtpasswd } from '../config/htpasswd.ts';
import { canBringCredentials, type OwnCredentialsPlace, ownCredentialsPlace } from '../config/own-credentials.ts';
import type { ListenerConfig } from '../config/schema/listeners.ts';
import type { Config } from '../config/schema/root.ts';
import type { TokenConfig } from '../config/schema/tokens.ts';
import type { Address } from '../config/schema/values.ts';
import { BrokerError } from '../errors.ts';
import { createHeadCheck } from '../listener/head-check.ts';
import { createRouter, type RouteMatch, type Router } from '../route/router.ts';
import { askedMetadata } from '../service/token-endpoint/metadata.ts';
import { askedToken, createOffer } from '../service/token-endpoint/offer.ts';
import { placeOf } from '../wire/place.ts';
import { configOption, loadOrExit } from './config-option.ts';
import type { Io } from './io.ts';
import {
  type AskingCaller,
  addressText,
  describeGranted,
  describeHandedOut,
  describeMatch,
  describeMetadata,
} from './match-description.ts';

const EXIT_NO_MATCH = 1;

interface AskedHead {
  readonly method: string;
  /** As it stands in the request line. */
  readonly target: string;
  /** `undefined` where it names none: one that each listener accepts. */
  readonly host: string | undefined;
}

interface Asked extends AskedHead {
  /** Listeners that it may arrive at. */
  readonly listeners: readonly string[];
  /** The URL, where it is that of a listener. */
  readonly url?: string;
  /** What it was taken for, where something else may have been meant. */
  readonly note?: string;
}

export function explainCommand(io: Io): Command {
  return new Command('explain')
    .argument('<method>', 'of the request')
    .argument('<url>', 'with the port of a listener, as a path alone, or as a forward proxy is sent it')
    .description('Say which listener, route, token and upstream a request would get, and why, without sending it.')
    .addOption(configOption())
    .option('--caller <name>', 'who asks; else the first who gets through')
    .addHelpText('after', '\nExample:\n  token-broker explain GET http://localhost:8080/orders/42 --caller billing\n')
    .action(async (method: string, url: string, { config: file, caller }: { config: string; caller?: string }) => {
      const loaded = await loadOrExit(file, 'check', io);
      if (loaded === undefined) return;
      const { found, why } = explain(loaded.config, method, url, caller);
      (found === undefined ? io.stderr : io.stdout).write(`${(found ?? why).join('\n')}\n`);
      io.exit(found === undefined ? EXIT_NO_MATCH : 0);
    });
}

interface Explanation {
  readonly found?: readonly string[];
  /** What stands in the way, at each listener. */
  readonly why: readonly string[];
}

function explain(config: Config, method: string, url: string, caller: string | undefined): Explanation {
  const asked = askedOf(config, method, url);
  if (typeof asked === 'string') return { why: [asked] };
  const why = asked.note === undefined ? [] : [asked.note];
  for (const listener of asked.listeners) {
    const unheard = whyUnheard(config, asked, listener);
    if (unheard !== undefined) {
      why.push(`listener ${listener}: ${unheard}`);
      continue;
    }
    const callers = callersAt(config, listener, caller);
    if (callers.length === 0) why.push(`listener ${listener}: ${whyNobody(config, listener, caller)}`);
    for (const each of callers) {
      const found = explainAt(config, asked, listener, each);
      if (!(found instanceof BrokerError)) return { found, why };
      why.push(`listener ${listener}, caller ${each.name}: ${found.code}: ${found.message}`);
    }
  }
  return { why };
}

/** What is wrong with it, as text, where it could not be sent. */
function askedOf({ listeners }: Config, method: string, url: string): Asked | string {
  const all = Object.keys(listeners);
  if (url.startsWith('/')) return { method, target: url, host: undefined, listeners: all };
  const [, scheme, authority, rest = ''] = /^(https?):\/\/([^/?#]+)(.*)$/i.exec(url) ?? [];
  if (scheme === undefined || !URL.canParse(url)) return `"${url}" is no URL and no path; write http://HOST:PORT/PATH, or /PATH`;
  const { port } = placeOf(url);
  const here = all.filter((name) => {
    const address = listeners[name]?.address;
    return address?.kind === 'tcp' && address.port === port;
  });
  const host = authority as string;
  if (here.length > 0) return { method, target: rest.startsWith('/') ? rest : `/${rest}`, host, listeners: here, url };
  const places = all.map((name) => addressText(listeners[name]?.address as Address)).join(', ');
  const note = `no listener has port ${port}: taken for what a forward proxy is sent; listeners are at ${places}`;
  return { method, target: url, host, listeners: all, note };
}

/** It speaks TLS or it does not, whatever the URL says. */
function whyUnheard(config: Config, { url }: Asked, listener: string): string | undefined {
  const { serve, tls } = config.listeners[listener] as ListenerConfig;
  // A proxy asks in its own way, whatever the URL of the request that it asks about.
  if (url === undefined || serve === 'ext-authz') return undefined;
  const [isTls, wantsTls] = [tls !== undefined, /^https:/i.test(url)];
  if (isTls === wantsTls) return undefined;
  if (isTls) return `speaks TLS, and the URL says http; write ${url.replace(/^http/i, 'https')}`;
  return `speaks plain http, and the URL says https; write ${url.replace(/^https/i, 'http')}, or give it a certificate in "listeners.${listener}.tls"`;
}

/** Who can be known there, the given one only where one is given. */
function callersAt(config: Config, listener: string, given: string | undefined): AskingCaller[] {
  const { authenticate = [] } = config.listeners[listener] ?? {};
  const named = allCallers(config).flatMap(([name, ways]) => authenticate.filter((way) => way in ways).map((method) => ({ name, method })));
  // Their names are those of the ways.
  const unnamed = authenticate
    .filter((way) => way === 'anonymous' || way === 'basic-passthrough')
    .map((way) => ({ name: way, method: way }));
  return [...named, ...unnamed].filter(({ name }) => given === undefined || given === name);
}

/** Those of the htpasswd file among them. */
function allCallers({ callers, callersFile }: Config): (readonly [name: string, ways: object])[] {
  const ofFile = callersFile === undefined ? [] : readHtpasswd(callersFile.reveal());
  return [...Object.entries(callers), ...ofFile.map(({ name }) => [name, { basic: true }] as const)];
}

function whyNobody(config: Config, listener: string, given: string | undefined): string {
  const ways = config.listeners[listener]?.authenticate.join(', ');
  if (given === undefined) return `no caller of the config can be known by what it accepts (${ways})`;
  const names = allCallers(config).map(([name]) => name);
  if (!names.includes(given))
    return `there is no caller "${given}" in the config; ${names.length === 0 ? 'it has none' : `it has: ${names.join(', ')}`}`;
  return `caller "${given}" cannot be known by what it accepts (${ways})`;
}

/** What would become of it there, line by line, or why nothing would. */
export function explainAt(config: Config, asked: AskedHead, listener: string, caller: AskingCaller): string[] | BrokerError {
  try {
    return describe(config, asked, listener, caller);
  } catch (error) {
    if (error instanceof BrokerError) return error;
    throw error;
  }
}

function describe(config: Config, { method, target, host }: AskedHead, listener: string, caller: AskingCaller): string[] {
  const settings = config.listeners[listener] as Config['listeners'][string];
  const check = (judged: ListenerConfig) =>
    createHeadCheck(judged)({ method, target, version: '1.1', fields: ['Host', host ?? judged.hosts?.[0] ?? 'localhost'] });
  const found = { listener, caller, method };
  switch (settings.serve) {
    case 'proxy': {
      return describeMatch(config, found, matchOf(config, { ...check(settings), listener, method }, caller));
    }
    case 'ext-authz': {
      // Which Host a proxy names when it asks is its own affair; the URL is that of the request which it has.
      const checked = { ...check({ ...settings, hosts: undefined }), authority: undefined };
      return describeGranted(config, found, matchOf(config, { ...checked, listener, method }, caller));
    }
    case 'token-endpoint': {
      const checked = { ...check(settings), method };
      const peer = { encrypted: settings.tls !== undefined };
      const metadata = askedMetadata({ ...checked, peer, fields: ['Host', host ?? 'localhost'] }, settings.authenticate);
      if (metadata !== undefined) return describeMetadata(config, listener, metadata);
      const name = askedToken(checked);
      return describeHandedOut(config, found, name, createOffer(config.tokens)(name, caller));
    }
  }
}

/** Also whether the caller can have brought what the token is made from. */
function matchOf(config: Config, request: Parameters<Router['match']>[0], caller: AskingCaller): RouteMatch {
  const match = createRouter(config.routes).match(request, caller);
  const { token } = match.route.config;
  const place = token === null ? undefined : ownCredentialsPlace(config.tokens[token] as TokenConfig);
  const settings = config.listeners[request.listener] as Config['listeners'][string];
  // Whoever is known by a password has `Authorization` taken.
  const isTaken = caller.method === 'basic' && place !== undefined && place.in !== 'field';
  if (place !== undefined && (isTaken || !canBringCredentials(settings, place)))
    throw new BrokerError(
      'CALLER_UNAUTHENTICATED',
      `route "${match.route.name}" has a token that is made from what the caller brings in ${placeText(place)}, which nobody known in this way can bring here`,
      { stage: 'caller' },
    );
  return match;
}

function placeText(place: OwnCredentialsPlace): string {
  return place.in === 'field' ? `the field "${place.field}"` : `"Authorization: ${place.in === 'basic' ? 'Basic' : 'Bearer'}"`;
}
