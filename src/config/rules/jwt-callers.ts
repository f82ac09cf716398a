/** Rules about `callers.NAME.jwt`: where the keys come from must be beyond doubt, and who a token is for. */

import type { ConfigPath } from '../path.ts';
import { type Finding, problem } from '../problem.ts';
import type { JwtConfig } from '../schema/callers.ts';
import { claimPattern } from '../wildcard.ts';
import { isExposedHttp, type Rule } from './rule.ts';

export const jwtCallerRules: Rule = ({ config }) => {
  const earlier: [string, JwtConfig][] = [];
  return Object.entries(config.callers).flatMap(([name, { jwt }]) => {
    if (jwt === undefined) return [];
    const path = ['callers', name, 'jwt'];
    const rival = earlier.find(([, other]) => takesAllOf(other, jwt) && takesAllOf(jwt, other));
    earlier.push([name, jwt]);
    const same = rival && problem(path, `fits the same tokens as "callers.${rival[0]}.jwt"; each caller needs its own`);
    return [...keyFindings(jwt, path), ...(same === undefined ? [] : [same])];
  });
};

function keyFindings({ issuer, jwksUri, keys, bearerToken, proxy }: JwtConfig, path: ConfigPath): Finding[] {
  const findings: Finding[] = [];
  if (jwksUri !== undefined && keys !== undefined)
    findings.push(
      problem([...path, 'keys'], 'stands beside "jwksUri", and an issuer has its keys in one place; remove one of them', 'key'),
    );
  if (bearerToken !== undefined && jwksUri === undefined)
    findings.push(problem([...path, 'bearerToken'], 'needs "jwksUri": it is not sent to a place that others name', 'key'));
  const found = keys !== undefined || jwksUri !== undefined ? jwksUri : issuer;
  const key = jwksUri === undefined ? 'issuer' : 'jwksUri';
  if (found !== undefined && !isPlainUrl(found))
    findings.push(problem([...path, key], 'is no https URL where keys could be found; correct it, or give "jwksUri" or "keys"'));
  else if (isExposedHttp(found, proxy))
    findings.push(problem([...path, key], 'is http to a host that is not loopback, where others could put keys of their own; use https'));
  return findings;
}

function isPlainUrl(text: string): boolean {
  return URL.canParse(text) && /^https?:\/\/[^@#]+$/.test(text);
}

/** The same words, or wider ones. */
function takesAllOf(wide: JwtConfig, narrow: JwtConfig): boolean {
  if (wide.issuer !== narrow.issuer || wide.audience !== narrow.audience || wide.jwksUri !== narrow.jwksUri) return false;
  if (textOf(wide) !== textOf(narrow)) return false;
  return Object.entries(wide.claims).every(([claim, allowed]) => {
    const asked = narrow.claims[claim];
    return asked?.every((value) => allowed.some((other) => covers(other, value))) === true;
  });
}

/** Of the keys that the config names. */
function textOf({ keys }: JwtConfig): string | undefined {
  return keys?.filled ? keys.reveal() : undefined;
}

type Claim = JwtConfig['claims'][string][number];

function covers(wide: Claim, narrow: Claim): boolean {
  if (wide === narrow) return true;
  return typeof wide === 'string' && typeof narrow === 'string' && !narrow.includes('*') && claimPattern(wide).test(narrow);
}
