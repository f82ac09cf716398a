/** Which tokens a token endpoint has, and for whom. */

import type { Config } from '../../config/schema/root.ts';
import type { TokenConfig } from '../../config/schema/tokens.ts';
import { BrokerError } from '../../errors.ts';
import type { CallerRequest } from '../../message.ts';
import { isOpenTo, methodNotAllowed } from '../../route/router.ts';

/** Nothing but a name as the config writes it: another spelling of it is another path. */
const PATH = /^\/tokens\/([A-Za-z0-9._-]+)$/;

const METHODS = ['GET', 'HEAD', 'POST'];

/** The name that a request asks for, whether there is such a token or not. Throws ROUTE_NOT_FOUND or ROUTE_METHOD_NOT_ALLOWED. */
export function askedToken({ method, target }: Pick<CallerRequest, 'method' | 'target'>): string {
  const name = tokenNameAt(target);
  if (name === undefined) {
    throw new BrokerError('ROUTE_NOT_FOUND', 'there is nothing at this path: ask for a token at "/tokens/NAME", without a query', {
      stage: 'route',
    });
  }
  if (METHODS.includes(method)) return name;
  throw methodNotAllowed('a token is not asked for by this method', METHODS);
}

/** `undefined` where no token can be at this path. */
export function tokenNameAt(path: string): string | undefined {
  return PATH.exec(path)?.[1];
}

/** The token of a name for a caller. Throws CALLER_FORBIDDEN. */
export type Offer = (name: string, caller: { readonly name: string; readonly method: string }) => TokenConfig;

export function createOffer(tokens: Config['tokens']): Offer {
  const offered = new Map(Object.entries(tokens).map(([name, config]) => [name, { config, callers: new Set(config.callers) }]));
  return (name, caller) => {
    const found = offered.get(name);
    if (found !== undefined && isOpenTo(found.callers, caller)) return found.config;
    // Which names there are is told to nobody who may not have them. The status is that of RFC 6749 §5.2.
    throw new BrokerError(
      'CALLER_FORBIDDEN',
      `caller "${caller.name}" may have no token of this name: correct the name, or list the caller in "callers" of the token`,
      { stage: 'route', status: 400 },
    );
  };
}
