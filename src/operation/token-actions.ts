/** What the admin address can have done to a token. */

import type { Actionable, Control } from '../admin/actions.ts';
import type { Config } from '../config/schema/root.ts';
import type { Log } from '../telemetry/log.ts';
import type { Tokens } from '../token/tokens.ts';

export interface TokenActionsParts {
  readonly config: Pick<Config, 'admin' | 'tokens'>;
  readonly tokens: Tokens;
  readonly log: Log;
  readonly control: Control | undefined;
}

export function tokenActions({ config, tokens, log, control }: TokenActionsParts): Actionable {
  const { address, hosts } = config.admin;
  return {
    control,
    hosts: address.kind === 'unix' ? 'any' : hosts,
    act: (action, name) => {
      if (!Object.hasOwn(config.tokens, name)) return undefined;
      const ofCallers = tokens.ofCallers(name);
      // Only a request of the caller itself can renew what is made from its credentials.
      if (action === 'renew' && ofCallers !== undefined) return undefined;
      log.info({ token: name, action }, 'admin action');
      if (action === 'purge') return (ofCallers ?? tokens.source(name)).purge();
      return tokens.renew(name).then(() => undefined);
    },
    facts: (name) => {
      if (tokens.ofCallers(name) !== undefined) return { state: 'none', fingerprint: undefined, secondsLeft: undefined };
      const { state, fingerprint, secondsLeft } = tokens.source(name).status();
      return { state, fingerprint, secondsLeft };
    },
  };
}
