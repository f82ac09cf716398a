/** The JWT bearer grant (RFC 7523 §2.1): an assertion from a file, or one that we sign ourselves, for a token. */

import { randomUUID } from 'node:crypto';
import { AuthorizationServerError } from '../../authorization-server/failure.ts';
import type { Clock } from '../../clock.ts';
import type { SignedSubject } from '../../config/schema/grants.ts';
import type { GrantConfig } from '../../config/schema/tokens.ts';
import { Secret } from '../../config/secret.ts';
import { signingAlgorithmsOf } from '../../config/signing-key.ts';
import { compactJwt, signatureOf } from '../signature.ts';
import type { Grant } from '../source.ts';
import type { RequestGrant } from './grant.ts';

/** No assertion of ours is sent twice: each request has its own `jti`, `iat` and `exp`. */
export function jwtBearer(config: GrantConfig & { grant: 'jwt_bearer' }, request: RequestGrant, clock: Clock): Grant {
  const { subject } = config;
  const get = async () => {
    const found = subject instanceof Secret ? await subject.fresh() : undefined;
    return request({
      grantType: 'urn:ietf:params:oauth:grant-type:jwt-bearer',
      own: () => ({ assertion: found ?? signedAssertion((subject as { sign: SignedSubject }).sign, clock) }),
    });
  };
  return { get };
}

function signedAssertion(config: SignedSubject, clock: Clock): string {
  const { alg, kid, issuer, subject, audience, claims, lifetime } = config;
  const key = config.key.reveal();
  // A key of another kind may have come by a rotation, after the config was checked.
  if (!signingAlgorithmsOf(key).includes(alg)) throw new AuthorizationServerError('permanent', 'signing_key_unusable');
  const now = Math.floor(clock.now() / 1000);
  const header = { alg, typ: 'JWT', ...(kid === undefined ? {} : { kid }) };
  return compactJwt(
    header,
    {
      ...claims,
      iss: issuer,
      ...(subject === undefined ? {} : { sub: subject }),
      // Servers that compare texts know no list of one.
      aud: audience.length === 1 ? audience[0] : audience,
      iat: now,
      exp: now + Math.floor(lifetime / 1000),
      jti: randomUUID(),
    },
    (input) => signatureOf(input, alg, key),
  );
}
