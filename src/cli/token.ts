/** `token-broker token`: one token of the config, obtained now and printed. */

import { Command, Option } from 'commander';
import { type Clock, systemClock } from '../clock.ts';
import type { Config } from '../config/schema/root.ts';
import type { Token } from '../token/token.ts';
import { Tokens } from '../token/tokens.ts';
import { UNOBSERVED } from '../token/unobserved.ts';
import { configOption, loadOrExit } from './config-option.ts';
import { describeFailure } from './describe-failure.ts';
import type { Io } from './io.ts';
import { whyNotTried } from './own-grant.ts';

const EXIT_NO_TOKEN = 1;

interface Options {
  readonly config: string;
  readonly json?: true;
  readonly claims?: true;
}

/** Told to whoever typed the command, as it stands. */
class NotPrinted extends Error {}

export function tokenCommand(io: Io): Command {
  return new Command('token')
    .argument('<name>', 'under "tokens" in the config')
    .description('Obtain a token by a grant of its own, and print it: nothing else is on stdout.')
    .addOption(configOption())
    .addOption(new Option('--json', 'print what is known of it instead, not the token itself').conflicts('claims'))
    .option('--claims', 'print the claims of a JWT instead; they are not verified')
    .addHelpText('after', '\nExample:\n  curl -H "Authorization: Bearer $(token-broker token orders)" https://api.acme.example/\n')
    .action(async (name: string, options: Options) => {
      const loaded = await loadOrExit(options.config, 'check', io);
      if (loaded === undefined) return;
      try {
        const text = await obtain(loaded.config, name, systemClock, options);
        io.stdout.write(`${text}\n`, () => io.exit(0));
      } catch (cause) {
        io.stderr.write(`${cause instanceof NotPrinted ? cause.message : describeFailure(cause)}\n`);
        io.exit(EXIT_NO_TOKEN);
      }
    });
}

/** Nothing is read from a store or written to one. Rejects with `NotPrinted`, or as a token source does. */
async function obtain(config: Config, name: string, clock: Clock, { json, claims }: Options): Promise<string> {
  const asked = Object.hasOwn(config.tokens, name) ? config.tokens[name] : undefined;
  if (asked === undefined) {
    const names = Object.keys(config.tokens).join(', ');
    throw new NotPrinted(`there is no token "${name}" in the config; ${names === '' ? 'it has none' : `it has: ${names}`}`);
  }
  const reason = whyNotTried(asked);
  if (reason !== undefined) throw new NotPrinted(`the token "${name}" is not obtained here: ${reason}`);
  const tokens = new Tokens({ config: { ...config, tokens: { [name]: asked }, store: undefined }, clock, ...UNOBSERVED });
  try {
    const token = await tokens.source(name).get();
    if (claims) return JSON.stringify(claimsOf(token, name), null, 2);
    return json ? JSON.stringify(factsOf(token, name, clock), null, 2) : token.reveal();
  } finally {
    await tokens.close();
  }
}

function factsOf(token: Token, name: string, clock: Clock): object {
  return {
    token: name,
    scheme: token.scheme,
    fingerprint: token.fingerprint,
    secondsLeft: Math.floor((token.lifetimeMs - token.ageMs(clock)) / 1_000),
    expiresAt: new Date(token.requestedAt + token.lifetimeMs).toISOString(),
    scope: token.scope,
    missingScope: token.missingScope.length > 0 ? token.missingScope : undefined,
    upstreamOrigin: token.upstreamOrigin,
  };
}

/** The payload of a JWS in its compact form (RFC 7515 §7.1). */
function claimsOf(token: Token, name: string): object {
  const parts = token.reveal().split('.');
  try {
    const claims: unknown = parts.length === 3 ? JSON.parse(Buffer.from(parts[1] as string, 'base64url').toString('utf8')) : undefined;
    if (typeof claims === 'object' && claims !== null && !Array.isArray(claims)) return claims;
  } catch {
    // Opaque, as what follows says.
  }
  throw new NotPrinted(`the token "${name}" is no JWT, so nobody but its server can read it; --json tells what is known of it`);
}
