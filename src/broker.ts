/** The broker: a config brought to life, from binding its listeners to the last byte of the drain. */

import type { HandedServer } from './admin/handed-server.ts';
import type { BrokerStatus } from './admin/status.ts';
import { createAuthenticators } from './caller/authenticate.ts';
import { createJwtCheck, type JwtCheck } from './caller/jwt.ts';
import { createNegotiateCheck, type NegotiateCheck } from './caller/negotiate.ts';
import { createPasswordCheck, type PasswordCheck } from './caller/password-check.ts';
import { type Clock, guarded, pause, systemClock } from './clock.ts';
import type { Config } from './config/schema/root.ts';
import { Entrances } from './listener/entrances.ts';
import type { HttpListener } from './listener/http-listener.ts';
import type { AdminEntrance } from './operation/admin-entrances.ts';
import { Operation, type SharedOperation } from './operation/operation.ts';
import { reportFaults, reportKeys, reportNegotiate, reportRefusals } from './operation/reporting.ts';
import { createListeners } from './service/create-listeners.ts';
import { BrokerStages } from './stages/stages.ts';
import type { Log } from './telemetry/log.ts';
import { Metrics } from './telemetry/metrics.ts';
import { Tokens } from './token/tokens.ts';

export interface BrokerParts {
  readonly config: Config;
  readonly log: Log;
  readonly clock?: Clock;
  /** What the brokers of one process share, when a changed config makes another of them. */
  readonly shared?: SharedParts;
}

export interface SharedParts extends SharedOperation {
  readonly entrances: Entrances;
  readonly metrics: Metrics;
}

/** Beyond the grace: short, since Kubernetes counts on. */
const REVOCATION_MS = 3_000;

/** What a broker needs of the one that it follows. */
type Predecessor = Pick<Broker, 'tokens' | 'passwords' | 'jwts' | 'addresses' | 'warm'>;

interface Finishing {
  readonly lateHandshakes?: boolean;
  readonly closeAdmin?: (server: HandedServer) => void;
}

export class Broker {
  readonly #config: Config;
  readonly #clock: Clock;
  readonly #log: Log;
  readonly #metrics: Metrics;
  readonly #entrances: Entrances;
  readonly #shared: SharedParts | undefined;
  readonly #operation: Operation;
  readonly tokens: Tokens;
  readonly passwords: PasswordCheck;
  readonly jwts: JwtCheck;
  readonly #negotiate: NegotiateCheck;
  readonly #stages: BrokerStages;
  readonly #listeners: HttpListener[];
  readonly #adminEntrances: readonly AdminEntrance[];
  /** Bound addresses by listener name; `admin` and `probes` among them. */
  addresses: ReadonlyMap<string, string> = new Map();
  #phase: BrokerStatus['phase'] = 'starting';
  #warm = false;
  readonly #cut = new AbortController();

  constructor({ config, log, clock: given = systemClock, shared }: BrokerParts) {
    const metrics = shared?.metrics ?? new Metrics();
    const onFault = reportFaults(log, metrics);
    const clock = guarded(given, onFault);
    this.#config = config;
    this.#clock = clock;
    this.#shared = shared;
    this.#metrics = metrics;
    this.#entrances = shared?.entrances ?? new Entrances();
    this.#log = log;
    const operation = new Operation({ config, log, clock, metrics, shared });
    this.#operation = operation;
    this.tokens = new Tokens({ config, clock, ...operation.tokenObservers() });
    const { callers, callersFile } = config;
    this.passwords = createPasswordCheck({ callers, callersFile, clock });
    const refusals = reportRefusals(log);
    this.jwts = createJwtCheck({ callers, clock, observer: reportKeys(log), onRefused: refusals.token });
    this.#negotiate = createNegotiateCheck({ callers, clock, observer: reportNegotiate(log) });
    const { passwords, jwts } = this;
    const authenticators = createAuthenticators(config.listeners, {
      callers,
      clock,
      passwords,
      jwts,
      negotiate: this.#negotiate,
      onCertificateRefused: refusals.certificate,
    });
    this.#stages = new BrokerStages({ config, tokens: this.tokens, clock, authenticators, tracing: operation.tracing });
    this.#listeners = createListeners({
      config,
      stages: this.#stages,
      tokens: this.tokens,
      clock,
      log,
      metrics,
      tracing: operation.tracing,
      unusableFiles: operation.unusableFiles,
      onFault,
    });
    this.#adminEntrances = operation.entrances({
      tokens: this.tokens,
      listeners: this.#listeners,
      exits: this.#stages.exits(),
      addresses: () => this.addresses,
      phase: () => this.#phase,
      warm: () => this.#warm,
    });
  }

  /**
   * Binds everything, then asks for the eager tokens in the background. Rejects with a `BrokerError` when an address cannot be bound; then nothing
   * has become of it but this broker's end.
   *
   * @param before the broker that this one follows: its entrances lead here from now on, and what is the same token for both goes on here
   */
  async start(before?: Predecessor): Promise<void> {
    const listeners = this.#listeners.map((listener) => {
      const { address, mode, owner } = this.#config.listeners[listener.name] as Config['listeners'][string];
      return { name: listener.name, address, mode, owner, taker: listener };
    });
    try {
      this.addresses = await this.#entrances.open([...this.#adminEntrances, ...listeners]);
    } catch (error) {
      await this.close();
      throw error;
    }
    this.#negotiate.selectKeytab();
    if (before !== undefined) this.#follow(before);
    this.#operation.observe({ tokens: this.tokens, listeners: this.#listeners });
    this.#phase = 'running';
    for (const [listener, address] of this.addresses)
      if (before?.addresses.get(listener) !== address) this.#log.info({ listener, address }, 'listening');
    this.jwts.warmUp();
    void this.tokens.warmUp().then(() => {
      this.#warm = true;
    });
    if (before === undefined) this.#log.info('ready');
  }

  #follow(before: Predecessor): void {
    before.tokens.handOver(this.tokens);
    this.passwords.follow(before.passwords);
    this.jwts.follow(before.jwts);
    this.#warm = before.warm;
  }

  /** Stops accepting, finishes what is in flight within the grace; resolves to the number of requests that were cut. */
  async drain(): Promise<number> {
    const { delay, grace } = this.#config.shutdown;
    this.#phase = 'draining';
    this.#log.info({ delaySeconds: delay / 1000, graceSeconds: grace / 1000 }, 'draining');
    for (const listener of this.#listeners) listener.announceClose();
    if (delay > 0) await pause(this.#clock, delay);
    const cut = await this.#finish();
    this.#log.info({ cut }, 'stopped');
    return cut;
  }

  /** The same, at once and without a word, for a broker that another one has followed. */
  async retire(): Promise<number> {
    this.#phase = 'draining';
    for (const listener of this.#listeners) listener.announceClose();
    return this.#finish({ lateHandshakes: true, closeAdmin: (server) => server.retire() });
  }

  /** For what drains: its grace is over before the time. Refresh tokens that are being redeemed are waited for still. */
  cut(): void {
    this.#cut.abort();
  }

  /** Ends at once. */
  async close(closeAdmin = (server: HandedServer) => server.close()): Promise<void> {
    this.#phase = 'stopped';
    await this.#drainListeners(0);
    for (const { taker } of this.#adminEntrances) {
      this.#entrances.close(taker);
      closeAdmin(taker);
    }
    await Promise.all([this.tokens.close(), this.#stages.close(), this.jwts.close(), this.#operation.close()]);
    if (this.#shared === undefined) this.#metrics.close();
  }

  async #finish({ lateHandshakes, closeAdmin }: Finishing = {}): Promise<number> {
    const { grace } = this.#config.shutdown;
    const endsAt = this.#clock.monotonic() + grace;
    const cut = await this.#drainListeners(grace, lateHandshakes);
    await this.tokens.arrived(Math.max(0, endsAt - this.#clock.monotonic()));
    await this.tokens.revoke(REVOCATION_MS);
    await this.close(closeAdmin);
    return cut;
  }

  async #drainListeners(graceMs: number, lateHandshakes = false): Promise<number> {
    for (const listener of this.#listeners) this.#entrances.close(listener);
    const options = { cut: this.#cut.signal, lateHandshakes };
    const cut = await Promise.all(this.#listeners.map((listener) => listener.drain(graceMs, options)));
    return cut.reduce((sum, count) => sum + count, 0);
  }

  get unusableFiles(): Operation['unusableFiles'] {
    return this.#operation.unusableFiles;
  }

  /** Every eager token has been tried. */
  get warm(): boolean {
    return this.#warm;
  }
}
