/** Nothing at all about the client: an assertion grant needs no more, since the assertion proves enough (RFC 7521 §4.1). */

import type { ClientProof } from '../../authorization-server/client-proof.ts';

export const unnamed: ClientProof = { write() {} };
