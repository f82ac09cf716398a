/** Reads the form that a token request is (RFC 6749 §3.2, appendix B): short, soon there, each parameter in it once. */

import { type Clock, within } from '../../clock.ts';
import { BrokerError, type ErrorCode } from '../../errors.ts';
import { type CallerRequest, fieldValue } from '../../message.ts';

/** Parameters by name; one without a value counts as left out. */
export type Form = ReadonlyMap<string, string>;

/** Some ten times the longest client secret and scope that anybody has. */
const MAX_BYTES = 16 * 1024;

const FORM_TYPE = /^application\/x-www-form-urlencoded\s*(?:;|$)/i;

/** Rejects with REQUEST_INVALID, REQUEST_TOO_LARGE or REQUEST_TIMEOUT. */
export async function readForm(request: CallerRequest, withinMs: number, clock: Clock): Promise<Form> {
  if (!FORM_TYPE.test(fieldValue(request.fields, 'content-type') ?? ''))
    throw invalid('the body is not a form: send parameters as "application/x-www-form-urlencoded"');
  return parseForm(await readBody(request, withinMs, clock));
}

/** What percent signs and "+" stand for; `undefined` where they are malformed, or stand for no UTF-8. */
export function formDecoded(text: string): string | undefined {
  try {
    return decodeURIComponent(text.replaceAll('+', ' '));
  } catch {
    return undefined;
  }
}

export function invalid(message: string, oauthError?: string): BrokerError {
  return new BrokerError('REQUEST_INVALID', message, { stage: 'listener', ...(oauthError !== undefined && { oauthError }) });
}

function readBody({ body }: CallerRequest, withinMs: number, clock: Clock): Promise<Buffer> {
  if (body === undefined) return Promise.resolve(Buffer.alloc(0));
  if ((body.length ?? 0) > MAX_BYTES) throw tooLarge();
  const { promise, resolve, reject } = Promise.withResolvers<Buffer>();
  const chunks: Buffer[] = [];
  let left = MAX_BYTES;
  body.pipe({
    chunk(bytes) {
      left -= bytes.length;
      if (left < 0) reject(tooLarge());
      else chunks.push(Buffer.from(bytes));
    },
    end: () => resolve(Buffer.concat(chunks)),
    fail: reject,
  });
  return within(clock, withinMs, promise, () => {
    throw cutOff('REQUEST_TIMEOUT', 'the request body took too long to arrive');
  });
}

function tooLarge(): BrokerError {
  return cutOff('REQUEST_TOO_LARGE', 'the body is too large for a token request: send 16 KiB at most');
}

/** The rest is read past, but not waited for. */
function cutOff(code: ErrorCode, message: string): BrokerError {
  return new BrokerError(code, message, { stage: 'listener', close: true });
}

function parseForm(bytes: Buffer): Form {
  const form = new Map<string, string>();
  for (const pair of bytes.toString('latin1').split('&')) {
    if (pair === '') continue;
    const [name = '', ...values] = pair.split('=');
    const key = decoded(name);
    if (form.has(key)) throw invalid('a parameter of the form is repeated: send each once');
    form.set(key, decoded(values.join('=')));
  }
  for (const [key, value] of form) if (value === '') form.delete(key);
  return form;
}

/** All beyond ASCII stands in percent signs (appendix B): what does not could be in any encoding. */
function decoded(text: string): string {
  const value = /^[\x20-\x7e]*$/.test(text) ? formDecoded(text) : undefined;
  if (value === undefined) throw invalid('the form is malformed: encode it as UTF-8 with percent signs');
  return value;
}
