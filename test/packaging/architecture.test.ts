import { describe, expect, test } from '@jest/globals';
import { judge } from '../../scripts/lint/architecture.mjs';

const value = (source: string) => ({ value: source, isType: false, isDynamic: false });
const type = (source: string) => ({ value: source, isType: true, isDynamic: false });
const dynamic = (source: string) => ({ value: source, isType: false, isDynamic: true });

describe('the import rule', () => {
  test.each([
    ['token/cached.ts', value('../upstream/forward.ts'), 'stages never import each other'],
    ['caller/basic.ts', type('../token/token.ts'), 'stages never import each other'],
    ['route/router.ts', value('../config/load.ts'), 'but for types'],
    ['upstream/forward.ts', value('../authorization-server/call.ts'), 'stages never import each other'],
    ['authorization-server/call.ts', value('../token/token.ts'), 'beneath the stages'],
    ['config/load.ts', value('../broker.ts'), 'read before anything else'],
    ['listener/target.ts', value('../exchange.ts'), 'but for types'],
    ['exchange.ts', value('./listener/target.ts'), 'knows nothing around it'],
    ['broker.ts', value('./cli/main.ts'), 'knows neither'],
    ['admin/admin-server.ts', value('../token/tokens.ts'), 'public face'],
    ['kubernetes/injector.ts', value('../broker.ts'), 'hands the broker out and never runs it'],
    ['errors.ts', type('./message.ts'), 'imported by everything'],
    ['telemetry/log.ts', value('../token/token.ts'), 'imported by everything'],
    ['somewhere/new.ts', value('../errors.ts'), 'not in the table'],
  ])('stops %s from %j', (file, imported, reason) => {
    expect(judge(file, imported)).toContain(reason);
  });

  test.each([
    ['token/tokens.ts', 'openid-client'],
    ['upstream/forward.ts', 'jose'],
    ['upstream/forward.ts', 'p-retry'],
    ['token/cached.ts', 'keyv'],
    ['token/cached.ts', '@keyv/redis'],
    ['broker.ts', '@redis/client'],
    ['token/grants/grant.ts', 'node:https'],
    ['upstream/forward.ts', 'node:http'],
    ['exchange.ts', 'node:https'],
    ['broker.ts', 'commander'],
    ['token/token.ts', 'zod'],
    ['cli/check.ts', 'jsonc-parser'],
    ['broker.ts', 'prom-client'],
    ['token/cached.ts', 'pino'],
    ['token/cached.ts', 'node:fs'],
    ['upstream/forward.ts', 'node:fs/promises'],
    ['cli/dev.ts', 'oidc-provider'],
    ['caller/negotiate.ts', 'kerberos'],
  ])('keeps %s from the package %s', (file, name) => {
    expect(judge(file, value(name))).toContain(`"${name}" belongs in src/`);
  });

  test('lets the demo load its authorization server only when asked', () => {
    expect(judge('demo/authorization-server.ts', value('oidc-provider'))).toContain('await import()');
    expect(judge('demo/authorization-server.ts', dynamic('oidc-provider'))).toBeUndefined();
    expect(judge('demo/authorization-server.ts', type('oidc-provider'))).toBeUndefined();
  });

  test('lets what speaks to Redis be loaded only when there is a store', () => {
    expect(judge('token/store/connection.ts', value('./keyv.ts'))).toContain('await import()');
    expect(judge('token/store/connection.ts', dynamic('./keyv.ts'))).toBeUndefined();
    expect(judge('token/store/connection.ts', value('./topology.ts'))).toContain('await import()');
    expect(judge('token/store/keyv.ts', value('./topology.ts'))).toBeUndefined();
  });

  test.each([
    ['token/cached.ts', value('./token.ts')],
    ['token/store/keyv.ts', value('keyv')],
    ['token/tokens.ts', value('../authorization-server/authorization-server.ts')],
    ['token/tokens.ts', type('../config/schema/tokens.ts')],
    ['exchange.ts', value('./upstream/forward.ts')],
    ['broker.ts', value('./admin/admin-server.ts')],
    ['listener/target.ts', value('node:buffer')],
  ])('lets %s have %j', (file, imported) => {
    expect(judge(file, imported)).toBeUndefined();
  });
});
