/** Watches the ends of the certificates that the broker shows others: an outage that comes at a known moment. */

import type { CertificateStatus } from '../admin/status.ts';
import type { Clock } from '../clock.ts';
import { ownCertificates, type Validity, validityOf, validityState } from '../config/certificates.ts';
import { formatPath } from '../config/path.ts';
import type { Secret } from '../config/secret.ts';
import type { Log } from '../telemetry/log.ts';

/** Once a day each is told of: it is days before anything happens. */
const TELL_EVERY_MS = 86_400_000;

/** A certificate of the config, and the last of its texts that was read. */
interface Own {
  /** The key of the config, as in `listeners.mesh.tls.cert`. */
  readonly key: string;
  readonly secret: Secret;
  /** Of the secret, when it was read. */
  version: number | undefined;
  validity: Validity | undefined;
}

export class Certificates {
  readonly #clock: Clock;
  readonly #log: Log;
  readonly #own: readonly Own[];
  #stop: () => void = () => {};

  /** Those of the start are told of as warnings of the config. */
  constructor(config: object, clock: Clock, log: Log) {
    this.#clock = clock;
    this.#log = log;
    this.#own = ownCertificates(config).map(({ path, secret }) => ({
      key: formatPath(path),
      secret,
      version: undefined,
      validity: undefined,
    }));
    if (this.#own.length > 0) this.#arm();
  }

  /** Those that can be read, as their files are now. */
  validities(): { readonly key: string; readonly validity: Validity }[] {
    return this.#own.flatMap((own) => {
      const { key, secret } = own;
      if (own.version !== secret.version) {
        own.version = secret.version;
        own.validity = validityOf(secret.reveal());
      }
      const { validity } = own;
      return validity === undefined ? [] : [{ key, validity }];
    });
  }

  status(): CertificateStatus[] {
    const now = this.#clock.now();
    return this.validities().map(({ key, validity }) => ({
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
}
