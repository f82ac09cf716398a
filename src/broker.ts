/** The broker: a config brought to life, from binding its listeners to the last byte of the drain. */

import type { Control } from './admin/actions.ts';
import type { HandedServer } from './admin/handed-server.ts';
import type { BrokerStatus } from './admin/status.ts';
import { type AdminEntrance, adminEntrances } from './admin-entrances.ts';
import { createAuthenticators } from './caller/authenticate.ts';
import { createJwtCheck, type JwtCheck } from './caller/jwt.ts';
import { createPasswordCheck, type PasswordCheck } from './caller/password-check.ts';
import { readPeerCertificate } from './caller/peer-certificate.ts';
import { type Clock, guarded, systemClock } from './clock.ts';
import type { Config } from './config/schema/root.ts';
import { Entrances } from './listener/entrances.ts';
import { HttpListener } from './listener/http-listener.ts';
import { observed } from './observed-service.ts';
import { observeState, reportAccess, reportGrants, reportKeys, reportStore, reportTokens } from './reporting.ts';
import { createService } from './service.ts';
import { BrokerStages } from './stages.ts';
import { type Beginning, beginning, createStatus } from './status/broker-status.ts';
import { StoreHealth } from './status/store-health.ts';
import { UnusableFiles } from './status/unusable-files.ts';
import type { Log } from './telemetry/log.ts';
import { Metrics } from './telemetry/metrics.ts';
import { Tokens } from './token/tokens.ts';
import { tokenActions } from './token-actions.ts';
import { Tracing } from './tracing.ts';

export interface BrokerParts {
  readonly config: Config;
  readonly log: Log;
  readonly clock?: Clock;
  /** What the brokers of one process share, when a changed config makes another of them. */
  readonly shared?: SharedParts;
}

export interface SharedParts {
  readonly entrances: Entrances;
  readonly metrics: Metrics;
  readonly began: Beginning;
  /** What the admin address can have done to the process. */
  readonly control: Control;
}

/** Beyond the grace: short, since Kubernetes counts on. */
const REVOCATION_MS = 3_000;

/** What a broker needs of the one that it follows. */
type Predecessor = Pick<Broker, 'tokens' | 'passwords' | 'jwts' | 'addresses' | 'warm'>;

export class Broker {
  readonly #config: Config;
  readonly #log: Log;
  readonly #metrics: Metrics;
  readonly #entrances: Entrances;
  readonly #shared: SharedParts | undefined;
  readonly #clock: Clock;
  readonly #tracing: Tracing | undefined;
  readonly tokens: Tokens;
  readonly passwords: PasswordCheck;
  readonly jwts: JwtCheck;
  readonly #stages: BrokerStages;
  readonly #listeners: HttpListener[];
  readonly #adminEntrances: readonly AdminEntrance[];
  /** Bound addresses by listener name; `admin` and `probes` among them. */
  addresses: ReadonlyMap<string, string> = new Map();
  /** Counted here, told to the log by whoever watches the files. */
  readonly unusableFiles: UnusableFiles;
  readonly #store: StoreHealth;
  readonly #status: ReturnType<typeof createStatus>;
  #phase: BrokerStatus['phase'] = 'starting';
  #warm = false;

  constructor({ config, log, clock: given = systemClock, shared }: BrokerParts) {
    const clock = guarded(given, (cause) => this.#fault(cause));
    this.#config = config;
    this.#shared = shared;
    this.#metrics = shared?.metrics ?? new Metrics();
    this.#entrances = shared?.entrances ?? new Entrances();
    this.#log = log;
    this.#clock = clock;
    const metrics = this.#metrics;
    const { telemetry } = config;
    this.#tracing = telemetry && new Tracing({ config: telemetry, clock, log, metrics });
    const observer = reportTokens(log, metrics);
    this.#store = new StoreHealth(config.store, clock);
    this.unusableFiles = new UnusableFiles(clock, () => metrics.reloadFailures.inc());
    this.tokens = new Tokens({
      config,
      clock,
      observer: this.#tracing?.observing(observer) ?? observer,
      storeObserver: this.#store.observe(reportStore(log, metrics)),
      grantObserver: reportGrants(log),
    });
    const { callers, callersFile } = config;
    this.passwords = createPasswordCheck({ callers, callersFile, clock });
    this.jwts = createJwtCheck({ callers, clock, observer: reportKeys(log) });
    const authenticators = createAuthenticators(config.listeners, { callers, clock, passwords: this.passwords, jwts: this.jwts });
    this.#stages = new BrokerStages({ config, tokens: this.tokens, clock, authenticators, tracing: this.#tracing });
    this.#listeners = Object.keys(config.listeners).map((name) => this.#createListener(name));
    this.#adminEntrances = this.#createAdminEntrances();
    this.#status = createStatus({
      config,
      clock,
      began: shared?.began ?? beginning(clock),
      tokens: this.tokens,
      listeners: this.#listeners,
      addresses: () => this.addresses,
      exits: this.#stages.exits(),
      store: this.#store,
      unusableFiles: this.unusableFiles,
      requestsInFlight: () => metrics.requests.inFlight,
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
    if (before !== undefined) this.#follow(before);
    observeState(this.#metrics, this.tokens, this.#listeners, this.#store);
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
    if (delay > 0) await new Promise((resolve) => setTimeout(resolve, delay));
    const cut = await this.#finish();
    this.#log.info({ cut }, 'stopped');
    return cut;
  }

  /** The same, at once and without a word, for a broker that another one has followed. */
  async retire(): Promise<number> {
    this.#phase = 'draining';
    for (const listener of this.#listeners) listener.announceClose();
    return this.#finish((server) => server.retire());
  }

  /** Ends at once. */
  async close(closeAdmin = (server: HandedServer) => server.close()): Promise<void> {
    this.#phase = 'stopped';
    await this.#drainListeners(0);
    for (const { taker } of this.#adminEntrances) {
      this.#entrances.close(taker);
      closeAdmin(taker);
    }
    await Promise.all([this.tokens.close(), this.#stages.close(), this.jwts.close(), this.#tracing?.close()]);
    if (this.#shared === undefined) this.#metrics.close();
  }

  #createListener(name: string): HttpListener {
    const config = this.#config.listeners[name] as Config['listeners'][string];
    const clock = this.#clock;
    const onFault = (cause: unknown) => this.#fault(cause);
    const service = createService(config, { config: this.#config, stages: this.#stages, tokens: this.tokens, clock });
    return new HttpListener({
      name,
      config,
      ...observed(service, {
        listener: name,
        clock,
        metrics: this.#metrics,
        tracing: this.#tracing,
        report: reportAccess(this.#log, this.#metrics, this.#config.log.access, () => clock.monotonic()),
        ended: (record) => this.#stages.ended(record),
        onFault,
      }),
      onFault,
      readCertificate: readPeerCertificate,
      onTlsChange: () => this.unusableFiles.remove(`listeners.${name}.tls`),
      onTlsProblem: (err) => {
        this.unusableFiles.add(`listeners.${name}.tls`);
        this.#log.error({ listener: name, err }, 'changed TLS files cannot be used: the old ones stay');
      },
    });
  }

  /** What nobody foresaw, where no request can be answered for it. */
  #fault(err: unknown): void {
    this.#metrics.faults.inc();
    this.#log.error({ err }, 'the broker failed');
  }

  async #finish(closeAdmin?: (server: HandedServer) => void): Promise<number> {
    const { grace } = this.#config.shutdown;
    const [cut] = await Promise.all([this.#drainListeners(grace), this.tokens.arrived(grace)]);
    await this.tokens.revoke(REVOCATION_MS);
    await this.close(closeAdmin);
    return cut;
  }

  async #drainListeners(graceMs: number): Promise<number> {
    for (const listener of this.#listeners) this.#entrances.close(listener);
    const cut = await Promise.all(this.#listeners.map((listener) => listener.drain(graceMs)));
    return cut.reduce((sum, count) => sum + count, 0);
  }

  #createAdminEntrances(): AdminEntrance[] {
    const actionable = tokenActions({ config: this.#config, tokens: this.tokens, log: this.#log, control: this.#shared?.control });
    return adminEntrances(this.#config, actionable, {
      notReady: () => this.#notReady(),
      status: () => this.#status(this.#phase, this.#notReady()),
      metrics: async () => ({ contentType: this.#metrics.contentType, text: await this.#metrics.render() }),
    });
  }

  /** Every eager token has been tried. */
  get warm(): boolean {
    return this.#warm;
  }

  #notReady(): string | undefined {
    if (this.#phase !== 'running') return this.#phase;
    return this.#config.readiness === 'tokens' && !this.#warm ? 'waiting for the eager tokens' : undefined;
  }
}
