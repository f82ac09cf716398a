/** What a scripted server says: whole answers as text, and ways to misbehave. */

import { confide } from './eavesdropper.ts';
import type { Script } from './scripted-server.ts';

/** A whole answer with Content-Length; fields are `Name: value` lines. */
export function answerWith(status: number, fields: readonly string[], body: string | Uint8Array = ''): string {
  const bytes = Buffer.from(body as string);
  const lines = [`HTTP/1.1 ${status} Scripted`, ...fields, `Content-Length: ${bytes.length}`];
  return `${lines.join('\r\n')}\r\n\r\n${bytes.toString('latin1')}`;
}

/** JSON, as token endpoints and metadata documents are sent (RFC 6749 §5.1: never cached). */
export function jsonAnswer(status: number, value: unknown, fields: readonly string[] = []): string {
  return answerWith(status, ['Content-Type: application/json', 'Cache-Control: no-store', ...fields], JSON.stringify(value));
}

/** A token answer; what is given replaces or removes (`undefined`) the usual members. */
export function tokenAnswer(members: Readonly<Record<string, unknown>> = {}): string {
  const answer = { access_token: 'scripted-access-token', token_type: 'Bearer', expires_in: 3600, ...members };
  return jsonAnswer(200, confide('of a token answer', answer));
}

/** An OAuth refusal (RFC 6749 §5.2). */
export function oauthError(error: string, status = 400, fields: readonly string[] = []): string {
  return jsonAnswer(status, { error }, fields);
}

/** Metadata that names this server's own `/token`. */
export function metadataAnswer(issuer: string, members: Readonly<Record<string, unknown>> = {}): string {
  return jsonAnswer(200, { issuer, token_endpoint: `${issuer}/token`, ...members });
}

/** The first request gets the first answer, and so on; the last one stays. */
export function inTurn(...answers: readonly (string | Uint8Array | Script)[]): Script {
  let next = 0;
  return (request, connection) => {
    const answer = answers[Math.min(next, answers.length - 1)];
    next += 1;
    return typeof answer === 'function' ? answer(request, connection) : answer;
  };
}

/** Never answers. */
export const hang: Script = () => undefined;

/** RST instead of an answer. */
export const reset: Script = (_request, connection) => {
  connection.reset();
  return undefined;
};

/** FIN instead of an answer. */
export const hangUp: Script = (_request, connection) => {
  connection.end();
  return undefined;
};

/** Says the beginning of an answer, then ends the connection. */
export function cutShort(bytes: string, ending: 'fin' | 'reset' = 'fin'): Script {
  return (_request, connection) => {
    if (ending === 'fin') connection.socket.end(Buffer.from(bytes, 'latin1'));
    // RST may overtake what is still in our own buffers: wait until the bytes are out.
    else connection.socket.write(Buffer.from(bytes, 'latin1'), () => connection.reset());
  };
}

/** Says the first part, then a byte at a time for as long as the other side stays and there are bytes. */
export function trickle(first: string, rest: string | (() => string), everyMs = 20): Script {
  return (_request, connection) => {
    connection.write(first);
    let at = 0;
    const timer = setInterval(() => {
      const byte = typeof rest === 'function' ? rest() : rest.charAt(at++);
      if (byte === '') clearInterval(timer);
      else connection.write(byte);
    }, everyMs);
    void connection.closed.then(() => clearInterval(timer));
  };
}
