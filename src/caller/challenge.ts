/** What a caller without the right credentials is asked for (RFC 7617 §2). */

export const BASIC_CHALLENGE = 'Basic realm="token-broker", charset="UTF-8"';
