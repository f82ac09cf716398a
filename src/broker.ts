/** The broker: a config brought to life, from binding its listeners to the last byte of the drain. */

import type { Server } from 'node:http';
import type { Actionable } from './admin/actions.ts';
import { createAdminServer } from './admin/admin-server.ts';
import { createAuthenticator } from './caller/authenticate.ts';
import { createPasswordCheck } from './caller/password-check.ts';
import { readPeerCertificate } from './caller/peer-certificate.ts';
import { type Clock, systemClock } from './clock.ts';
import type { Config } from './config/schema/root.ts';
import type { Address } from './config/schema/values.ts';
import { BrokerError } from './errors.ts';
import { createRecord } from './exchange.ts';
import { bind, type SocketAccess } from './listener/bind.ts';
import { HttpListener } from './listener/http-listener.ts';
import { reportAccess, reportGrants, reportStore, reportTokens } from './reporting.ts';
import { createService } from './service.ts';
import { BrokerStages } from './stages.ts';
import type { Log } from './telemetry/log.ts';
import { Metrics } from './telemetry/metrics.ts';
import { Tokens } from './token/tokens.ts';
import { tokenActions } from './token-actions.ts';

export interface BrokerParts {
  readonly config: Config;
  readonly log: Log;
  readonly clock?: Clock;
}

/** Beyond the grace: short, since Kubernetes counts on. */
const REVOCATION_MS = 3_000;

type Phase = 'starting' | 'running' | 'draining' | 'stopped';

export class Broker {
  readonly #config: Config;
  readonly #log: Log;
  readonly #metrics = new Metrics();
  readonly #clock: Clock;
  readonly #tokens: Tokens;
  readonly #stages: BrokerStages;
  readonly #listeners: HttpListener[];
  readonly #adminServers: Server[] = [];
  /** Bound addresses by listener name; `admin` and `probes` among them. */
  readonly addresses = new Map<string, string>();
  #phase: Phase = 'starting';
  #warm = false;

  constructor({ config, log, clock = systemClock }: BrokerParts) {
    this.#config = config;
    this.#log = log;
    this.#clock = clock;
    const metrics = this.#metrics;
    this.#tokens = new Tokens({
      config,
      clock,
      observer: reportTokens(log, metrics),
      storeObserver: reportStore(log, metrics),
      grantObserver: reportGrants(log),
    });
    const { callers } = config;
    const passwords = createPasswordCheck({ callers, clock });
    const authenticators = new Map(
      Object.entries(config.listeners).map(([name, listener]) => [name, createAuthenticator({ listener, callers, clock, passwords })]),
    );
    this.#stages = new BrokerStages({ config, tokens: this.#tokens, clock, authenticators });
    this.#listeners = Object.keys(config.listeners).map((name) => this.#createListener(name));
    this.#observeTokens();
  }

  /** Binds everything, then asks for the eager tokens in the background. Rejects with a `BrokerError` when an address cannot be bound. */
  async start(): Promise<void> {
    const { admin, probes } = this.#config;
    await this.#bindAdmin('admin', admin, tokenActions({ config: this.#config, tokens: this.#tokens, log: this.#log }));
    if (probes.address !== undefined) await this.#bindAdmin('probes', { ...probes, address: probes.address });
    for (const listener of this.#listeners) {
      const { address } = this.#config.listeners[listener.name] as Config['listeners'][string];
      this.#bound(listener.name, await orBindError(listener.name, address, listener.bind()));
    }
    this.#phase = 'running';
    void this.#tokens.warmUp().then(() => {
      this.#warm = true;
    });
    this.#log.info('ready');
  }

  /** Stops accepting, finishes what is in flight within the grace; resolves to the number of requests that were cut. */
  async drain(): Promise<number> {
    const { delay, grace } = this.#config.shutdown;
    this.#phase = 'draining';
    this.#log.info({ delaySeconds: delay / 1000, graceSeconds: grace / 1000 }, 'draining');
    for (const listener of this.#listeners) listener.announceClose();
    if (delay > 0) await new Promise((resolve) => setTimeout(resolve, delay));
    const cut = (await Promise.all(this.#listeners.map((listener) => listener.drain(grace)))).reduce((sum, count) => sum + count, 0);
    await this.#tokens.revoke(REVOCATION_MS);
    await this.close();
    this.#log.info({ cut }, 'stopped');
    return cut;
  }

  /** Ends at once. */
  async close(): Promise<void> {
    this.#phase = 'stopped';
    await Promise.all(this.#listeners.map((listener) => listener.drain(0)));
    for (const server of this.#adminServers) {
      server.close();
      server.closeAllConnections();
    }
    await Promise.all([this.#tokens.close(), this.#stages.close()]);
    this.#metrics.close();
  }

  /** A changed file cannot be used and its old content stays: counted here, told by whoever watches the files. */
  countUnusableFile(): void {
    this.#metrics.reloadFailures.inc();
  }

  #createListener(name: string): HttpListener {
    const metrics = this.#metrics;
    const config = this.#config.listeners[name] as Config['listeners'][string];
    const report = reportAccess(this.#log, metrics, this.#config.log.access, () => this.#clock.monotonic());
    const service = createService(config, this.#stages);
    return new HttpListener({
      name,
      config,
      handle: (request, reply) => {
        const record = createRecord(request, this.#clock.monotonic());
        metrics.requests.inFlight += 1;
        void service.handle(request, reply, record).then(() => {
          metrics.requests.inFlight -= 1;
          report(record);
        });
      },
      refuse: (error, request, reply) => {
        const record = createRecord({ ...request, listener: name }, this.#clock.monotonic());
        service.refuse(request, reply, error, record);
        report(record);
      },
      readCertificate: readPeerCertificate,
      onTlsProblem: (err) => {
        this.#metrics.reloadFailures.inc();
        this.#log.error({ listener: name, err }, 'changed TLS files cannot be used: the old ones stay');
      },
    });
  }

  async #bindAdmin(
    name: 'admin' | 'probes',
    section: SocketAccess & { readonly address: Address },
    actionable?: Actionable,
  ): Promise<void> {
    const face = {
      notReady: () => this.#notReady(),
      details: () => this.#details(),
      metrics: async () => ({ contentType: this.#metrics.contentType, text: await this.#metrics.render() }),
    };
    const server = createAdminServer(face, actionable);
    this.#adminServers.push(server);
    this.#bound(name, await orBindError(name, section.address, bind(server, section.address, section)));
  }

  #bound(name: string, address: string): void {
    this.addresses.set(name, address);
    this.#log.info({ listener: name, address }, 'listening');
  }

  #notReady(): string | undefined {
    if (this.#phase !== 'running') return this.#phase;
    return this.#config.readiness === 'tokens' && !this.#warm ? 'waiting for the eager tokens' : undefined;
  }

  #details(): Record<string, string> {
    return Object.fromEntries(this.#tokens.all().map((token) => [`token ${token.name}`, token.status().state]));
  }

  #observeTokens(): void {
    const tokens = this.#tokens;
    this.#metrics.observe('token_seconds_left', 'Seconds until the token ends; absent while there is none.', 'token', function* () {
      for (const token of tokens.all()) {
        const { secondsLeft } = token.status();
        if (secondsLeft !== undefined) yield [token.name, secondsLeft] as const;
      }
    });
    this.#metrics.observe('token_waiting', 'Requests waiting for the token.', 'token', function* () {
      for (const token of tokens.all()) yield [token.name, token.status().waiting] as const;
      for (const token of tokens.allOfCallers()) yield [token.name, token.waiting] as const;
    });
    this.#metrics.observe(
      'token_callers',
      'Callers whose own token is kept, where it is made from their credentials.',
      'token',
      function* () {
        for (const token of tokens.allOfCallers()) yield [token.name, token.callers] as const;
      },
    );
    const listeners = this.#listeners;
    this.#metrics.observe('connections_open', 'Open connections from callers.', 'listener', function* () {
      for (const listener of listeners) yield [listener.name, listener.openConnections] as const;
    });
  }
}

const BIND_PROBLEMS: Readonly<Record<string, string>> = {
  EADDRINUSE: 'is in use by another process; stop it or choose another address',
  EACCES: 'may not be bound by this user; choose a port above 1023 or give the process the right to bind it',
  EADDRNOTAVAIL: 'is not an address of this machine; use one of its own, or 0.0.0.0',
  ENOTFOUND: 'names a host that cannot be resolved; use an IP address',
  EPERM: 'may not be given to its "owner" by this user; only root gives to another user, and members to their group',
  ENOENT: 'lies in a folder that does not exist; create it first',
};

async function orBindError(name: string, address: Address, bound: Promise<string>): Promise<string> {
  try {
    return await bound;
  } catch (cause) {
    const code = (cause as NodeJS.ErrnoException).code ?? '';
    const text = address.kind === 'unix' ? `unix:${address.path}` : `${address.host}:${address.port}`;
    const problem = BIND_PROBLEMS[code] ?? `cannot be bound (${code})`;
    throw new BrokerError('INTERNAL', `the address "${text}" of listener "${name}" ${problem}`, { stage: 'broker', cause });
  }
}
