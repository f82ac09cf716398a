/** What a config asks of this program that not every installation of it has. */

import { whyNoKerberos } from '../caller/kerberos.ts';
import { type Finding, problem } from '../config/problem.ts';
import type { Config } from '../config/schema/root.ts';

export function missingParts({ listeners }: Config): Finding[] {
  return Object.entries(listeners).flatMap(([name, { authenticate }]) => {
    const at = authenticate.indexOf('negotiate');
    const why = at === -1 ? undefined : whyNoKerberos();
    return why === undefined ? [] : [problem(['listeners', name, 'authenticate', at], `is "negotiate", which ${why}`)];
  });
}
