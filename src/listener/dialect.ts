/** The request that a proxy asks about, read from the one place that the listener's dialect names: any other a client could have written. */

import type { ListenerConfig } from '../config/schema/listeners.ts';
import { BrokerError } from '../errors.ts';
import { type CallerRequest, type Fields, fieldValues } from '../message.ts';
import { HttpRequest } from './caller-request.ts';
import { readHost } from './host.ts';
import { checkRequestLine } from './request-head.ts';
import { checkTarget } from './target.ts';

type Dialect = NonNullable<ListenerConfig['dialect']>;

/** What decides about a request. */
type Original = Pick<CallerRequest, 'method' | 'target' | 'host'>;

interface Place {
  /** The fields that it is read from, as an answer can vary with them. */
  readonly fields: readonly string[];
  readonly read: (check: CallerRequest, limits: ListenerConfig['limits']) => Original;
}

/** One URL, which also says the host. */
const ORIGINAL_URL: Place = {
  fields: ['X-Original-Method', 'X-Original-URL'],
  read({ fields }, limits) {
    const method = onlyValue(fields, 'x-original-method');
    const url = onlyValue(fields, 'x-original-url');
    checkRequestLine({ method, target: url }, limits);
    const whole = checkTarget(url);
    // nginx takes a "?" for a part of the host: what follows is the path that it sends, and must not be judged as a query.
    if (whole === undefined || !url.endsWith(whole.authority + whole.target))
      throw invalid('the field "x-original-url" holds no whole URL: have the proxy set scheme, host and URI');
    return { method, target: whole.target, host: whole.host };
  },
};

const FORWARDED: Place = {
  fields: ['X-Forwarded-Method', 'X-Forwarded-Host', 'X-Forwarded-Uri'],
  read({ fields }, limits) {
    const method = onlyValue(fields, 'x-forwarded-method');
    const target = onlyValue(fields, 'x-forwarded-uri');
    const host = readHost(onlyValue(fields, 'x-forwarded-host'));
    checkRequestLine({ method, target }, limits);
    if (checkTarget(target) !== undefined)
      throw invalid('the field "x-forwarded-uri" holds a whole URL: have the proxy set the path and the query alone');
    if (host === undefined) throw invalid('the field "x-forwarded-host" is malformed: have the proxy set a name or an address');
    return { method, target, host };
  },
};

/** The check has them as its own. */
const ITSELF: Place = { fields: [], read: (check) => check };

const PLACES: Readonly<Record<Dialect, Place>> = {
  nginx: ORIGINAL_URL,
  envoy: ITSELF,
  traefik: FORWARDED,
  caddy: FORWARDED,
  haproxy: FORWARDED,
};

export function dialectFields(dialect: Dialect): readonly string[] {
  return PLACES[dialect].fields;
}

/** Gives the request that a check is about, with the caller, the fields and the body of the check. Throws REQUEST_INVALID and REQUEST_TOO_LARGE. */
export function createDialect(dialect: Dialect, limits: ListenerConfig['limits']): (check: CallerRequest) => CallerRequest {
  const { read } = PLACES[dialect];
  return (check) => {
    if (check.authority !== undefined) throw invalid('the target of the check is a whole URL, as for a forward proxy: send a path');
    const { method, target, host } = read(check, limits);
    const { id, listener, version, fields, body, peer } = check;
    const facts = { id, listener, version, method, target, host, authority: undefined, fields, body, upgrade: undefined, peer };
    const original = new HttpRequest(facts);
    check.onAbandoned(() => original.abandon());
    return original;
  };
}

/** Where there are two, one is a client's. */
function onlyValue(fields: Fields, lowerCaseName: string): string {
  const values = fieldValues(fields, lowerCaseName);
  const [value] = values;
  if (value === undefined) throw invalid(`the field "${lowerCaseName}" is missing: have the proxy set it to what it was asked for itself`);
  if (values.length > 1) throw invalid(`the field "${lowerCaseName}" is repeated: have the proxy replace what its client sent`);
  return value;
}

function invalid(message: string): BrokerError {
  return new BrokerError('REQUEST_INVALID', message, { stage: 'listener', close: true });
}
