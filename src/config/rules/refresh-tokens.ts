/** Rules about refresh tokens of several `tokens`: each that is replaced belongs to one of them. */

import { problem } from '../problem.ts';
import type { GrantConfig } from '../schema/tokens.ts';
import type { Rule } from './rule.ts';

type Refreshing = GrantConfig & { grant: 'refresh_token' };

/** Who redeems a one-time token last is taken for a thief, and servers then end all that came of it (RFC 9700 §4.14.2). */
export const refreshTokenRules: Rule = ({ config }) => {
  const refreshing = Object.entries(config.tokens).filter(
    (entry): entry is [string, Refreshing] => entry[1].grant === 'refresh_token' && entry[1].refreshToken.filled,
  );
  return refreshing.flatMap(([name, token], index) => {
    const other = refreshing.slice(0, index).find(([, { refreshToken }]) => refreshToken.reveal() === token.refreshToken.reveal());
    if (other === undefined || (token.persist === undefined && other[1].persist === undefined)) return [];
    return [
      problem(
        ['tokens', name, 'refreshToken'],
        `is that of token "${other[0]}" too: whichever has it replaced first, and kept at "persist", leaves the other one a used one; obtain one for each, or remove one token`,
      ),
    ];
  });
};
