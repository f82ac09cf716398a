/** Watches the ends of the certificates that the broker shows others: an outage that comes at a known moment. */

import type { CertificateStatus } from '../admin/status.ts';
import type { Clock } from '../clock.ts';
import { type OwnCertificate, ownCertificates, type Validity, validityOf, validityState } from '../config/certificates.ts';
import type { Log } from '../telemetry/log.ts';

/** Once a day each is told of: it is days before anything happens. */
const TELL_EVERY_MS = 86_400_000;

export class Certificates {
  readonly #clock: Clock;
  readonly #log: Log;
  readonly #own: readonly OwnCertificate[];
  #stop: () => void = () => {};

  /** Those of the start are told of as warnings of the config. */
  constructor(config: object, clock: Clock, log: Log) {
    this.#clock = clock;
    this.#log = log;
    this.#own = ownCertificates(config);
    if (this.#own.length > 0) this.#arm();
  }

  status(): CertificateStatus[] {
    const now = this.#clock.now();
    return this.#validities().map(({ key, validity }) => ({
      key,
      state: validityState(validity, now),
      notBefore: new Date(validity.notBeforeAt).toISOString(),
      notAfter: new Date(validity.notAfterAt).toISOString(),
    }));
  }

  close(): void {
    this.#stop();
  }

  #arm(): void {
    this.#stop = this.#clock.after(TELL_EVERY_MS, () => {
      this.#arm();
      this.#tell();
    });
  }

  #tell(): void {
    for (const { key, state, notAfter } of this.status()) {
      if (state === 'ending') this.#log.warn({ certificate: key, notAfter }, 'a certificate ends soon');
      if (state === 'ended') this.#log.error({ certificate: key, notAfter }, 'a certificate has ended');
    }
  }

  /** Read anew each time: their files may have changed. */
  #validities(): { key: string; validity: Validity }[] {
    return this.#own.flatMap(({ key, secret }) => {
      const validity = validityOf(secret.reveal());
      return validity === undefined ? [] : [{ key, validity }];
    });
  }
}
