/** The call of `demo` for an application that proves nothing: at a listener that takes whoever is on this machine. */

import type { ListenerConfig } from '../config/schema/listeners.ts';
import type { Config } from '../config/schema/root.ts';
import { type Address, parseAddress } from '../config/schema/values.ts';
import { curlLine } from '../demo/worked-call.ts';
import { BrokerError } from '../errors.ts';
import { createHeadCheck } from '../listener/head-check.ts';
import { createRouter } from '../route/router.ts';

/** Lines for a terminal; none where no listener takes it so. @param addresses bound ones, by listener name */
export function describeOpenCall({ listeners, routes, demo }: Config, addresses: ReadonlyMap<string, string>): string[] {
  if (demo === undefined) return [];
  const { path } = demo.call;
  for (const [listener, settings] of Object.entries(listeners)) {
    const address = parseAddress(addresses.get(listener) ?? '');
    if (address === undefined || settings.serve !== 'proxy' || settings.tls !== undefined) continue;
    if (!settings.authenticate.includes('anonymous') || !isTaken(routes, listener, settings, path)) continue;
    return ['', ...describe(listener, address, path)];
  }
  return [];
}

function describe(listener: string, address: Address, path: string): string[] {
  return [`the same without a password, from this machine only, at listener "${listener}"`, `  ${curlLine(address, path)}`];
}

function isTaken(routes: Config['routes'], listener: string, settings: ListenerConfig, target: string): boolean {
  try {
    const head = createHeadCheck(settings)({ method: 'GET', target, version: '1.1', fields: ['Host', 'localhost'] });
    createRouter(routes).match({ ...head, listener, method: 'GET' }, { name: 'anonymous', method: 'anonymous' });
    return true;
  } catch (error) {
    if (error instanceof BrokerError) return false;
    throw error;
  }
}
