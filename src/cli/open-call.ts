/** The call of `demo` for an application that proves nothing: at a listener that takes whoever is on this machine. */

import type { Config } from '../config/schema/root.ts';
import { type Address, parseAddress } from '../config/schema/values.ts';
import { curlLine } from '../demo/worked-call.ts';
import { BrokerError } from '../errors.ts';
import { explainAt } from './explain.ts';

const ANONYMOUS = { name: 'anonymous', method: 'anonymous' };

/** Lines for a terminal; none where no listener takes it so. @param addresses bound ones, by listener name */
export function describeOpenCall(config: Config, addresses: ReadonlyMap<string, string>): string[] {
  if (config.demo === undefined) return [];
  const { path } = config.demo.call;
  const asked = { method: 'GET', target: path, host: 'localhost' };
  for (const [listener, settings] of Object.entries(config.listeners)) {
    const address = parseAddress(addresses.get(listener) ?? '');
    if (address === undefined || settings.serve !== 'proxy' || settings.tls !== undefined) continue;
    if (!settings.authenticate.includes('anonymous') || explainAt(config, asked, listener, ANONYMOUS) instanceof BrokerError) continue;
    return ['', ...describe(listener, address, path)];
  }
  return [];
}

function describe(listener: string, address: Address, path: string): string[] {
  return [`the same without a password, from this machine only, at listener "${listener}"`, `  ${curlLine(address, path)}`];
}
