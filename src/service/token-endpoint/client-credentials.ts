/** Client id and secret as OAuth clients send them (RFC 6749 §2.3.1): they are user name and password of a caller with Basic credentials. */

import { parseBasic } from '../../caller/basic.ts';
import type { Caller } from '../../caller/caller.ts';
import { type BrokerError, toBrokerError } from '../../errors.ts';
import type { AskingRequest, Stages } from '../../exchange.ts';
import { type CallerRequest, fieldValue } from '../../message.ts';
import { type Form, formDecoded, invalid } from './form.ts';

/** Who asks for a token. Rejects as `authenticate` does, and with REQUEST_INVALID where it says two things at once. */
export async function askingCaller(request: CallerRequest, form: Form, authenticate: Stages['authenticate']): Promise<Caller> {
  const { listener, peer } = request;
  const caller = await firstAccepted(spellings(request, form), (authorization) =>
    // Also of a whole URL we are the server here, not a proxy on the way.
    authenticate({ listener, peer, authority: undefined, fields: authorization === undefined ? [] : ['authorization', authorization] }),
  );
  // RFC 8705 §2: with a certificate, too, the client says who it is.
  if (caller.method === 'mtls' || caller.method === 'jwt' || caller.method === 'negotiate') checkClientId(form, [caller.name]);
  return caller;
}

/** What to take for the value of `Authorization`, in turn; none where there are no credentials of this kind. */
function spellings({ fields }: Pick<AskingRequest, 'fields'>, form: Form): string[] {
  const authorization = fieldValue(fields, 'authorization');
  const secret = form.get('client_secret');
  if (secret !== undefined) {
    if (authorization !== undefined) throw invalid('credentials are in the field "authorization" and in the form: send them once');
    const id = form.get('client_id');
    if (id === undefined) throw invalid('the form has a "client_secret" and no "client_id": send both');
    return [basicOf(id, secret)];
  }
  if (authorization === undefined) return [];
  const sent = parseBasic(authorization);
  if (sent === undefined) return [authorization];
  const { username, password } = sent;
  const [id, encodedSecret] = [formDecoded(username), formDecoded(password)];
  checkClientId(form, id === undefined ? [username] : [username, id]);
  const isPlain = id === undefined || encodedSecret === undefined || (id === username && encodedSecret === password);
  // OAuth clients encode both before they write them as Basic does, others do not. Nobody is locked out by the one that is wrong.
  return isPlain ? [authorization] : [basicOf(id, encodedSecret), authorization];
}

function checkClientId(form: Form, names: readonly string[]): void {
  const id = form.get('client_id');
  if (id !== undefined && !names.includes(id)) throw invalid('the "client_id" is not whom the credentials name: send that, or none');
}

/** A name with a colon would end at it, and be another: no caller has one. */
function basicOf(id: string, secret: string): string {
  return id.includes(':') ? 'Basic' : `Basic ${Buffer.from(`${id}:${secret}`).toString('base64')}`;
}

type Attempt = (authorization: string | undefined) => Caller | Promise<Caller>;

async function firstAccepted([first, ...others]: readonly string[], attempt: Attempt): Promise<Caller> {
  try {
    return await attempt(first);
  } catch (error) {
    if (others.length === 0 || !isRefusal(toBrokerError(error))) throw error;
    return firstAccepted(others, attempt);
  }
}

function isRefusal({ code }: BrokerError): boolean {
  return code === 'CALLER_UNAUTHENTICATED';
}
