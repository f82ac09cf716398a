/** The page at `/` of the admin address: what it may do in a browser, and what its script makes of the status of a real broker. */

import { createHash } from 'node:crypto';
import { describe, expect, test } from '@jest/globals';
import type { BrokerStatus, SharedTokenStatus } from '../../src/admin/status.ts';
import { html, script, style } from '../../src/admin/status-page/sources.ts';
import { type Scene, startScene } from '../helpers/broker.ts';
import { closedAfterEach } from '../helpers/closing.ts';
import { request } from '../helpers/http-client.ts';
import { inTurn, oauthError, tokenAnswer } from '../helpers/scripted-answers.ts';
import type { Script } from '../helpers/scripted-server.ts';
import { openSmallPage, type SmallElement, type SmallPage } from '../helpers/small-page.ts';

const closed = closedAfterEach();

async function scene(token: Script = () => tokenAnswer(), tokenConfig: Record<string, unknown> = {}): Promise<Scene> {
  const started = closed(await startScene({ token, tokenConfig: { renew: { eager: false, minInterval: '1ms' }, ...tokenConfig } }));
  return started;
}

const rowsOf = (page: SmallPage, id: string): string[][] =>
  page.byId(id).children.map((row) => row.children.map((cell) => cell.children.map(({ textContent }) => textContent).join(' | ')));
const saysOf = (page: SmallPage, id: string): string => page.byId(id).textContent;
const button = (page: SmallPage, action: string): SmallElement => page.byId('tokens').querySelector(`.${action}`) as SmallElement;

/** The page of a broker that runs, as long as `isThere` says so. */
function open(started: Scene, options: { confirms?: boolean; isThere?: () => boolean } = {}): Promise<SmallPage> {
  const { confirms = true, isThere = () => true } = options;
  const ask = (path: string, asked?: RequestInit) => {
    if (!isThere()) return Promise.reject(new TypeError('Failed to fetch'));
    return fetch(`${started.url('admin')}${path}`, asked);
  };
  return openSmallPage({ html, script, fetch: ask, confirms });
}

/** The page of a broker that says this. */
const openWith = (status: BrokerStatus): Promise<SmallPage> =>
  openSmallPage({ html, script, fetch: () => Promise.resolve({ ok: true, json: () => Promise.resolve(status) }) });

describe('the page, as it is served', () => {
  test('has a policy that lets nothing run but its own script, and no page show it in a frame', async () => {
    const started = await scene();
    const answer = await request(`${started.url('admin')}/`);
    expect([answer.status, answer.field('content-type')]).toEqual([200, 'text/html; charset=utf-8']);
    const policy = new Map(
      (answer.field('content-security-policy') ?? '').split('; ').map((each) => each.split(/ (.*)/) as [string, string]),
    );
    const hashOf = (text: string) => `'sha256-${createHash('sha256').update(text).digest('base64')}'`;
    const inside = (tag: string) =>
      [...answer.text().matchAll(new RegExp(`<${tag}[^>]*>([\\s\\S]*?)</${tag}>`, 'g'))].map(([, text]) => text);
    expect(inside('script').map((text) => hashOf(text as string))).toEqual([policy.get('script-src')]);
    expect(inside('style').map((text) => hashOf(text as string))).toEqual([policy.get('style-src')]);
    expect(Object.fromEntries(policy)).toMatchObject({
      'default-src': "'none'",
      'connect-src': "'self'",
      'frame-ancestors': "'none'",
      'base-uri': "'none'",
      'form-action': "'none'",
      'require-trusted-types-for': "'script'",
      'trusted-types': "'none'",
    });
    expect(answer.field('x-content-type-options')).toBe('nosniff');
  });

  test('loads nothing from elsewhere, has no handlers in its markup, and makes no markup of texts', () => {
    expect(html + style).not.toMatch(/(?:src|href)="(?!\/status")|url\(|@import|\bon[a-z]+=|style="/);
    expect(script).not.toMatch(/innerHTML|outerHTML|insertAdjacentHTML|document\.write|eval|Function\(|https?:/);
  });

  test('names each column, so that a table can be listened to', () => {
    const headings = [...html.matchAll(/<th [^>]*>/g)].map(([tag]) => tag);
    expect(headings.length).toBeGreaterThan(20);
    for (const tag of headings) expect(tag).toContain('scope="col"');
  });
});

describe('what the page shows', () => {
  test('a token with its life as a bar, and everything around it', async () => {
    const started = await scene();
    await request(`${started.url()}/api/x`);
    const page = await open(started);
    expect(saysOf(page, 'connection')).toBe('live');
    expect(saysOf(page, 'ready')).toBe('yes');
    const [token] = rowsOf(page, 'tokens');
    const { held } = ((await request(`${started.url('admin')}/status`)).json() as BrokerStatus).tokens[0] as SharedTokenStatus;
    expect(token?.slice(0, 2)).toEqual(['orders | client_credentials at as', `fresh | ${held?.fingerprint}`]);
    expect(token?.slice(3)).toEqual([expect.stringMatching(/^[\dhms ]+$/), 'when needed', '0', 'none', 'renewpurge']);
    const bar = page.byId('tokens').querySelector('.bar') as SmallElement;
    const place = (part: string) => Object.values(bar.querySelector(part)?.style ?? {}).map((text) => Number.parseFloat(text));
    const [renewFrom = 0, renewFor = 0] = place('.renewal');
    const [marginFrom = 0, marginFor = 0] = place('.margin');
    expect(renewFrom + renewFor).toBeCloseTo(marginFrom, 6);
    expect(marginFrom).toBeCloseTo((100 * 3595) / 3600, 1);
    expect(marginFrom + marginFor).toBeCloseTo(100, 6);
    expect(place('.now')[0]).toBeLessThan(renewFrom);
    expect(bar.attributes.get('aria-label')).toMatch(/ of 1h are over; renewed from 5\d.*, not sent from 59m 55s$/);
    expect(rowsOf(page, 'upstreams')).toEqual([['api', started.origin.url, '1', '1', '0', '0', 'none']]);
    expect(rowsOf(page, 'servers')).toEqual([['as', 'closed', 'in the config']]);
    expect(rowsOf(page, 'listeners')).toEqual([['local', 'proxy', started.address(), 'accepting', '0']]);
    for (const id of ['files', 'counts']) expect(page.byId(id).closest('section')?.hidden).toBe(true);
  });

  test('a token that failed, in words and not by colour alone', async () => {
    const started = await scene(() => oauthError('invalid_scope'));
    await request(`${started.url()}/api/x`);
    const [token] = rowsOf(await open(started), 'tokens');
    expect(token?.[1]).toBe('none');
    expect(token?.[6]).toMatch(/^TOKEN_REJECTED \| \d+s ago$/);
  });

  test('of tokens of callers their number, and no button that cannot work', async () => {
    const started = await scene(() => tokenAnswer(), { grant: 'token_exchange', subject: 'caller' });
    const page = await open(started);
    expect(rowsOf(page, 'tokens')[0]?.[1]).toBe('0 kept | one for each caller');
    expect([button(page, 'renew'), button(page, 'purge')?.textContent]).toEqual([null, 'purge']);
  });

  test('texts stay texts, whatever they hold; trouble of all kinds is told', async () => {
    const started = await scene();
    const status = (await request(`${started.url('admin')}/status`)).json() as BrokerStatus;
    const markup = '<img src=x onerror=alert(1)>';
    const { now } = status;
    const page = await openWith({
      ...status,
      notReady: 'draining',
      tokens: [{ ...(status.tokens[0] as SharedTokenStatus), name: markup }],
      listeners: [{ name: markup, serve: 'proxy', connections: 0, draining: true }],
      authorizationServers: [{ name: 'as', breaker: 'half-open', metadata: { failing: true } }],
      store: { kind: 'redis', snapshot: true, state: 'lost', lostAt: now, unreadable: 0 },
      unusableFiles: [{ key: 'listeners.mesh.tls', otherKeys: [], at: now }],
      faults: 1,
      reloadFailures: 0,
      earlierConfigs: 2,
    });
    expect(page.byId('tokens').querySelectorAll('img')).toEqual([]);
    expect(rowsOf(page, 'tokens')[0]?.[0]).toContain(markup);
    expect(rowsOf(page, 'listeners')).toEqual([[markup, 'proxy', '', 'draining', '0']]);
    expect(rowsOf(page, 'servers')).toEqual([['as', 'half-open', 'not read yet; the last try failed']]);
    expect(rowsOf(page, 'files')).toEqual([['listeners.mesh.tls', '0s ago']]);
    expect(rowsOf(page, 'counts')).toEqual([
      ['Mistakes of ours: please report them', '1'],
      ['Earlier configs with requests in flight', '2'],
    ]);
    expect(saysOf(page, 'ready')).toBe('no: draining');
    expect(saysOf(page, 'store')).toBe('Redis and a snapshot, lost 0s ago: memory alone serves');
  });
});

describe('what the page does', () => {
  test('asks again each time, says when the broker is gone, and when it is back', async () => {
    let isThere = true;
    const page = await open(await scene(), { isThere: () => isThere });
    isThere = false;
    expect(await page.tick()).toBe(1);
    expect(saysOf(page, 'connection')).toMatch(/^the broker has not answered since .*: what is shown is from before$/);
    const since = saysOf(page, 'connection');
    expect(await page.tick()).toBe(1);
    expect(saysOf(page, 'connection')).toBe(since);
    expect(rowsOf(page, 'tokens')).toHaveLength(1);
    isThere = true;
    await page.tick();
    expect(saysOf(page, 'connection')).toBe('live');
  });

  test('asks nothing while nobody looks, and at once when somebody looks again', async () => {
    const started = await scene();
    const page = await open(started);
    await page.setHidden(true);
    expect(await page.tick()).toBe(0);
    await request(`${started.url()}/api/x`);
    expect(rowsOf(page, 'tokens')[0]?.[1]).toBe('none');
    await page.setHidden(false);
    expect(rowsOf(page, 'tokens')[0]?.[1]).toMatch(/^fresh/);
    expect(await page.tick()).toBe(1);
  });

  test('asks nothing either when it was hidden while an answer was on its way', async () => {
    const started = await scene();
    let onAsked = (): unknown => undefined;
    const page = await open(started, {
      isThere: () => {
        onAsked();
        return true;
      },
    });
    onAsked = () => page.setHidden(true);
    expect(await page.tick()).toBe(1);
    expect(await page.tick()).toBe(0);
  });

  test('renews a token; its button stays the same one, so that it keeps the focus', async () => {
    const started = await scene();
    const page = await open(started);
    const renew = button(page, 'renew');
    await renew.click();
    expect(saysOf(page, 'said')).toBe('orders: renew done, fresh');
    expect(rowsOf(page, 'tokens')[0]?.[1]).toMatch(/^fresh \| [0-9a-f]{8}$/);
    expect(button(page, 'renew')).toBe(renew);
    expect(await started.logged('admin action')).toMatchObject({ action: 'renew', token: 'orders' });
    // One line of questions, not one more for each button that was pressed.
    expect(await page.tick()).toBe(1);
  });

  test('says why a renewal failed', async () => {
    const page = await open(await scene(inTurn(oauthError('invalid_scope'))));
    await button(page, 'renew').click();
    expect(saysOf(page, 'said')).toMatch(/^orders: TOKEN_REJECTED: the authorization server refused/);
  });

  test('purges a token when that is confirmed, and not when it is not', async () => {
    const started = await scene();
    await request(`${started.url()}/api/x`);
    const careful = await open(started, { confirms: false });
    await button(careful, 'purge').click();
    expect(careful.questions).toEqual(['Drop the token "orders"? The next request has another one made.']);
    expect(rowsOf(careful, 'tokens')[0]?.[1]).toMatch(/^fresh/);
    const page = await open(started);
    await button(page, 'purge').click();
    expect(rowsOf(page, 'tokens')[0]?.slice(1, 4)).toEqual(['none', expect.any(String), '']);
    expect(page.byId('tokens').querySelector('.bar')).toBeNull();
  });

  test('says that an action was not done where the broker is gone', async () => {
    let isThere = true;
    const page = await open(await scene(), { isThere: () => isThere });
    isThere = false;
    await button(page, 'renew').click();
    expect(saysOf(page, 'said')).toBe('orders: renew not done: the broker does not answer');
  });
});
