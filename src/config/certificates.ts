/** What of a config ends at a known moment: certificates that the broker shows others, those that it trusts, and revocation lists. */

import type { ConfigPath } from './path.ts';
import { type Finding, namedElsewhere, warning } from './problem.ts';
import { Secret } from './secret.ts';
import { chainValidity, revocationValidity, trustValidity, type Validity, validityState } from './validity.ts';
import { valuesIn } from './values-in.ts';

/** What a key of the config holds. */
interface Kind {
  readonly read: (pem: string) => Validity | undefined;
  /** What happens while it is not good. */
  readonly effect: string;
  readonly wayOut: string;
}

export interface PlacedCertificate extends Kind {
  readonly path: ConfigPath;
  readonly secret: Secret;
  /** Of other keys that name the same file, for the same. */
  readonly otherPaths: readonly ConfigPath[];
}

const SHOWN: Kind = { read: chainValidity, effect: 'others refuse it', wayOut: 'renew it' };
const TRUSTED = { read: trustValidity, wayOut: "add the CA's new certificate" };

const KINDS: ReadonlyMap<unknown, Kind> = new Map([
  ['cert', SHOWN],
  ['certificate', SHOWN],
  ['ca', { ...TRUSTED, effect: 'no server that it vouches for is trusted' }],
  ['clientCa', { ...TRUSTED, effect: 'no caller with a certificate gets in' }],
  // OpenSSL verifies no certificate of a CA whose list is not the current one.
  [
    'crl',
    { read: revocationValidity, effect: 'no caller with a certificate of its CA gets in', wayOut: "replace it by the CA's newest list" },
  ],
]);

/** Each file once, where many keys name it: it ends once, and is renewed once. */
export function certificatesIn(config: object): PlacedCertificate[] {
  const placed = valuesIn(config, Secret).flatMap(({ value: secret, path }) => {
    const kind = KINDS.get(path.at(-1));
    return kind === undefined ? [] : [{ kind, path, secret }];
  });
  const same = Map.groupBy(placed, ({ kind, secret }) => (secret.file === undefined ? secret : `${kind.effect}\n${secret.file}`));
  return [...same.values()].map((group) => {
    const [{ kind, path, secret }, ...others] = group as [(typeof group)[0], ...typeof group];
    return { ...kind, path, secret, otherPaths: others.map((other) => other.path) };
  });
}

/** Warnings only: what else the broker does goes on, and a certificate may be replaced while it runs. */
export function certificateFindings(config: object, now: number): Finding[] {
  return certificatesIn(config).flatMap((certificate) => {
    const validity = certificate.secret.filled ? certificate.read(certificate.secret.reveal()) : undefined;
    const text = validity && stateText(certificate, validity, now);
    return text === undefined ? [] : [warning(certificate.path, text + namedElsewhere(certificate.otherPaths.length))];
  });
}

function stateText({ effect, wayOut }: Kind, validity: Validity, now: number): string | undefined {
  const [from, to] = [validity.notBeforeAt, validity.notAfterAt].map((at) => new Date(at).toISOString().replace('.000', ''));
  switch (validityState(validity, now)) {
    case 'good':
      return undefined;
    case 'future':
      return `is good from ${from} on, and until then ${effect}; set the clock of this machine, or wait`;
    case 'ending':
      return `ends at ${to}, and from then on ${effect}; before that, ${wayOut}`;
    case 'ended':
      return `ended at ${to}, so ${effect}; ${wayOut}`;
  }
}
