/** Watches the ends of certificates and revocation lists of the config: an outage that comes at a known moment. */

import type { CertificateStatus } from '../admin/status.ts';
import type { Clock } from '../clock.ts';
import { certificatesIn, type PlacedCertificate } from '../config/certificates.ts';
import { formatPath } from '../config/path.ts';
import { type Validity, type ValidityState, validityState } from '../config/validity.ts';
import type { Log } from '../telemetry/log.ts';

/** Once a day each is told of again: mostly it is days before anything happens. */
const TELL_EVERY_MS = 86_400_000;
/** A revocation list of a day is late for 72 minutes before it ends. */
const LOOK_EVERY_MS = 600_000;

/** What the config names, and the last of its texts that was read. */
interface Watched {
  readonly certificate: PlacedCertificate;
  /** The key of the config, as in `listeners.mesh.tls.cert`. */
  readonly key: string;
  /** Of the secret, when it was read. */
  version: number | undefined;
  validity: Validity | undefined;
  told: { readonly state: ValidityState; readonly at: number } | undefined;
}

export class Certificates {
  readonly #clock: Clock;
  readonly #log: Log;
  readonly #watched: readonly Watched[];
  #stop: () => void = () => {};

  /** Those of the start are told of as warnings of the config. */
  constructor(config: object, clock: Clock, log: Log) {
    this.#clock = clock;
    this.#log = log;
    this.#watched = certificatesIn(config).map((certificate) => ({
      certificate,
      key: formatPath(certificate.path),
      version: undefined,
      validity: undefined,
      told: undefined,
    }));
    if (this.#watched.length === 0) return;
    this.#lookForChanges(() => {});
    this.#arm();
  }

  /** Those that can be read, as their files are now. */
  validities(): { readonly key: string; readonly validity: Validity }[] {
    return this.#readable().map(([{ key }, validity]) => ({ key, validity }));
  }

  status(): CertificateStatus[] {
    const now = this.#clock.now();
    return this.#readable().map(([watched, validity]) => statusOf(watched, validity, now));
  }

  close(): void {
    this.#stop();
  }

  #readable(): [Watched, Validity][] {
    return this.#watched.flatMap((watched): [Watched, Validity][] => {
      const { secret, read } = watched.certificate;
      if (watched.version !== secret.version) {
        watched.version = secret.version;
        watched.validity = read(secret.reveal());
      }
      return watched.validity === undefined ? [] : [[watched, watched.validity]];
    });
  }

  #arm(): void {
    this.#stop = this.#clock.after(LOOK_EVERY_MS, () => {
      this.#arm();
      this.#lookForChanges((status) => this.#tell(status));
    });
  }

  /** Also for what has not changed in a day. */
  #lookForChanges(tell: (status: CertificateStatus) => void): void {
    const now = this.#clock.now();
    for (const [watched, validity] of this.#readable()) {
      const state = validityState(validity, now);
      if (state === watched.told?.state && now - watched.told.at < TELL_EVERY_MS) continue;
      watched.told = { state, at: now };
      tell(statusOf(watched, validity, now));
    }
  }

  #tell({ key, otherKeys, state, notBefore, notAfter, effect }: CertificateStatus): void {
    const named = { certificate: key, ...(otherKeys.length === 0 ? {} : { others: otherKeys.length }) };
    const about = { ...named, notAfter, effect };
    if (state === 'future') this.#log.error({ ...named, notBefore, effect }, 'a certificate or revocation list is not good yet');
    if (state === 'ending') this.#log.warn(about, 'a certificate or revocation list ends soon');
    if (state === 'ended') this.#log.error(about, 'a certificate or revocation list has ended');
  }
}

function statusOf({ key, certificate: { effect, otherPaths } }: Watched, validity: Validity, now: number): CertificateStatus {
  return {
    key,
    otherKeys: otherPaths.map(formatPath),
    state: validityState(validity, now),
    notBefore: new Date(validity.notBeforeAt).toISOString(),
    endingFrom: new Date(validity.endingAt).toISOString(),
    notAfter: new Date(validity.notAfterAt).toISOString(),
    effect,
  };
}
