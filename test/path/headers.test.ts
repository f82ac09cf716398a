import { afterEach, describe, expect, test } from '@jest/globals';
import { type Scene, secretHash, startScene } from '../helpers/broker.ts';
import { fieldLines } from '../helpers/message-framing.ts';
import { sendRaw } from '../helpers/raw-client.ts';
import { answerWith, inTurn } from '../helpers/scripted-answers.ts';

let scene: Scene;
afterEach(() => scene.close());

async function call(fields: readonly string[], method = 'GET'): Promise<{ head: string; answer: string }> {
  const lines = [`${method} /api/x HTTP/1.1`, 'Host: localhost', ...fields, 'Connection: close'];
  const { text } = await sendRaw(scene.address(), `${lines.join('\r\n')}\r\n\r\n`);
  return { head: scene.origin.requests.at(-1)?.head ?? '', answer: text };
}

describe('fields on their way', () => {
  test('N01 what Connection lists is removed, in both directions', async () => {
    scene = await startScene({ origin: () => answerWith(200, ['Connection: X-Secret, keep-alive', 'X-Secret: 1', 'X-Kept: 2']) });
    const lines = ['GET /api HTTP/1.1', 'Host: localhost', 'Connection: close, X-A', 'X-A: 1', 'X-B: 2', '', ''];
    const { text } = await sendRaw(scene.address(), lines.join('\r\n'));
    const head = scene.origin.requests[0]?.head ?? '';
    expect(fieldLines(head, 'x-a')).toEqual([]);
    expect(fieldLines(head, 'x-b')).toEqual(['2']);
    expect(fieldLines(head, 'connection')).toEqual([]);
    expect(text).not.toMatch(/X-Secret/i);
    expect(text).toMatch(/X-Kept: 2/);
  });

  test('N01 a caller cannot have our token removed by listing its field', async () => {
    scene = await startScene();
    const lines = ['GET /api HTTP/1.1', 'Host: localhost', 'Connection: close, Authorization', '', ''];
    await sendRaw(scene.address(), lines.join('\r\n'));
    expect(fieldLines(scene.origin.requests[0]?.head ?? '', 'authorization')).toEqual(['Bearer scripted-access-token']);
  });

  const HOP_BY_HOP = [
    'Keep-Alive: timeout=5',
    'Proxy-Connection: keep-alive',
    'TE: trailers',
    'Trailer: X-T',
    'Upgrade: websocket',
    'HTTP2-Settings: AAAA',
    'Proxy-Authenticate: Basic',
    'Proxy-Authorization: Basic eDp5',
  ];

  test('N02 hop-by-hop fields are removed in both directions, listed or not', async () => {
    scene = await startScene({ origin: () => answerWith(200, [...HOP_BY_HOP.filter((line) => !line.startsWith('Upgrade')), 'X-Kept: 2']) });
    const { head, answer } = await call([...HOP_BY_HOP, 'X-Kept: 1']);
    for (const line of HOP_BY_HOP) {
      const name = line.split(':')[0] as string;
      expect([name, fieldLines(head, name)]).toEqual([name, []]);
      expect(answer).not.toContain(line);
    }
    expect(fieldLines(head, 'x-kept')).toEqual(['1']);
    expect(answer).toMatch(/X-Kept: 2/);
  });

  test.each([
    ['once', ['Authorization: Bearer mine']],
    ['in odd case', ['aUTHORIZATION: Bearer mine']],
    ['of 8 KiB', [`Authorization: Bearer ${'m'.repeat(8192)}`]],
    ['with an underscore twin', ['Authorization_: Bearer mine', 'authorization: Bearer mine']],
  ])("N03 the caller's Authorization %s never reaches the upstream, which sees exactly ours", async (_what, fields) => {
    scene = await startScene();
    const { head } = await call(fields);
    expect(fieldLines(head, 'authorization')).toEqual(['Bearer scripted-access-token']);
    expect(head).not.toMatch(/mine|mmm/);
  });

  test.each([
    ['passes', ['anonymous'], 'Basic b3duOm9uZQ=='],
    ['passes', ['anonymous'], 'Bearer own'],
    ['passes', ['anonymous'], 'Negotiate own'],
    ['passes', ['basic', 'anonymous'], 'Bearer own'],
    ['passes', ['basic', 'anonymous'], 'Digest own'],
    ['is ours', ['basic', 'anonymous'], `Basic ${Buffer.from('billing:secret').toString('base64')}`],
  ])('X01 without a token Authorization %s where the listener takes %j and it is "%s"', async (what, authenticate, authorization) => {
    scene = await startScene({
      route: { token: null, callers: ['anonymous', 'billing'] },
      config: {
        listeners: { local: { address: '127.0.0.1:0', authenticate } },
        callers: { billing: { basic: { passwordHash: await secretHash() } } },
      },
    });
    const { head } = await call([`Authorization: ${authorization}`]);
    expect(fieldLines(head, 'authorization')).toEqual(what === 'passes' ? [authorization] : []);
  });

  test('a nonce for proofs, and a proof of the application, are its own affair where no token of ours is bound to a key', async () => {
    scene = await startScene({ route: { token: null }, origin: () => answerWith(200, ['DPoP-Nonce: theirs']) });
    const { head, answer } = await call(['Authorization: DPoP mine', 'DPoP: proof']);
    expect([fieldLines(head, 'authorization'), fieldLines(head, 'dpop')]).toEqual([['DPoP mine'], ['proof']]);
    expect(answer).toMatch(/DPoP-Nonce: theirs/);
  });

  test('N03 two Authorization fields are refused before anything is asked', async () => {
    scene = await startScene();
    const { answer } = await call(['Authorization: Bearer a', 'Authorization: Bearer b']);
    expect(answer).toMatch(/^HTTP\/1.1 400 /);
    expect(scene.origin.requests).toHaveLength(0);
    expect(scene.authorizationServer.requests).toHaveLength(0);
  });

  test('N04 twins of fields we control are dropped, other odd names pass', async () => {
    scene = await startScene({ route: { headers: { 'X-Api-Key': 'ours' } } });
    const twins = [
      'X_Forwarded_For: 1.2.3.4',
      'x.forwarded.host: evil',
      'X_Api_Key: theirs',
      'Transfer_Encoding: chunked',
      'Content_Length: 5',
      'X_Mine: kept',
    ];
    const { head } = await call(twins);
    expect(head).not.toMatch(/1\.2\.3\.4|evil|theirs|Transfer_Encoding|Content_Length/);
    expect(fieldLines(head, 'x-api-key')).toEqual(['ours']);
    expect(fieldLines(head, 'x_mine')).toEqual(['kept']);
  });

  test('N05 forwarding fields of the caller are removed; ours are added on request', async () => {
    scene = await startScene({ route: { forwarded: true } });
    const { head } = await call(['X-Forwarded-For: 6.6.6.6', 'X-Forwarded-Client-Cert: x', 'Forwarded: for=6.6.6.6']);
    expect(head).not.toMatch(/6\.6\.6\.6|Client-Cert/);
    expect(fieldLines(head, 'x-forwarded-for')).toEqual(['127.0.0.1']);
    expect(fieldLines(head, 'forwarded')).toEqual(['for=127.0.0.1;proto=http;host="localhost"']);
  });

  test('N05 what only a proxy could say of a request, and servers may take the path or the caller from, never passes', async () => {
    scene = await startScene();
    const names = [
      'X-Real-IP',
      'X-Original-URL',
      'X-Original-URI',
      'X-Original-Method',
      'X-Original-Host',
      'X-Rewrite-URL',
      'X_Original_URL',
    ];
    const { head } = await call(names.map((name) => `${name}: /admin`));
    expect(head).not.toContain('/admin');
    expect(head).toMatch(/^GET \/x HTTP/);
  });

  test('fields that the route removes do not reach the upstream, however they are spelled', async () => {
    scene = await startScene({ route: { removeHeaders: ['Cookie', 'x-internal'] } });
    const { head } = await call(['Cookie: a=b', 'X_Internal: 1', 'X-Kept: 2', 'cookie: c=d']);
    expect(head).not.toMatch(/cookie|internal/i);
    expect(fieldLines(head, 'x-kept')).toEqual(['2']);
  });

  test('H12 an upstream that shows the token in the field that it came in shows it to us alone', async () => {
    scene = await startScene({
      origin: ({ head }) => answerWith(200, [`Authorization: ${fieldLines(head, 'authorization')[0]}`, 'X-Kept: 1']),
    });
    const shown = await call([]);
    expect(shown.answer).not.toMatch(/authorization|scripted-access-token/i);
    expect(shown.answer).toMatch(/X-Kept: 1/);
    await scene.close();
    scene = await startScene({
      route: { inject: { header: 'X-Api-Token', scheme: '' } },
      origin: () => answerWith(200, ['x-api-token: scripted-access-token', 'Authorization: mine']),
    });
    const named = (await call([])).answer;
    expect(named).not.toMatch(/x-api-token|scripted-access-token/i);
    expect(named).toMatch(/Authorization: mine/);
  });

  test('no upstream answers in our name: the last member of Proxy-Status is ours, and tells of no refusal where there was none', async () => {
    const lines = [
      'Proxy-Status: cdn; error=dns_error',
      'proxy-status: token-broker; error=http_request_denied; details="CALLER_FORBIDDEN"',
    ];
    const said = async (more: readonly string[]) => {
      scene = await startScene({ origin: () => answerWith(403, [...more]) });
      const { answer } = await call([]);
      return answer.split('\r\n').filter((line) => /^proxy-status/i.test(line));
    };
    expect(await said(lines)).toEqual([...lines, 'proxy-status: token-broker']);
    await scene.close();
    expect(await said([])).toEqual([]);
  });

  test('addresses that an upstream gives of itself by the name in "hostHeader" lead back to the listener', async () => {
    const hostHeader = 'api.acme.example';
    scene = await startScene({
      route: { hostHeader },
      origin: () => answerWith(302, ['Location: http://api.acme.example/next?a=1', `Content-Location: ${scene.origin.url}/x`]),
    });
    const { answer } = await call([]);
    expect(answer).toMatch(/\r\nLocation: \/api\/next\?a=1\r\nContent-Location: \/api\/x\r\n/);
  });

  test('N07 repeated fields of an answer keep their number, order and bytes', async () => {
    const fields = [
      'Set-Cookie: a=1',
      'Set-Cookie: b=2; Path=/',
      'Vary: A',
      'X-Odd:  two  spaces',
      'Set-Cookie: c=3',
      'Vary: B',
      'WWW-Authenticate: A',
      'WWW-Authenticate: B',
    ];
    scene = await startScene({ origin: () => answerWith(200, fields) });
    const { answer } = await call([]);
    const passed = answer.split('\r\n').filter((line) => /^(Set-Cookie|Vary|WWW-Authenticate):/.test(line));
    expect(passed).toEqual(fields.filter((line) => !line.startsWith('X-Odd')));
  });

  test('N09 Via is appended behind what is there', async () => {
    scene = await startScene();
    const { head } = await call(['Via: 1.0 fred']);
    expect(fieldLines(head, 'via')).toEqual(['1.0 fred', '1.1 token-broker']);
  });

  test('N09 no Via of ours is added where the route wants none, and the one of others goes on', async () => {
    scene = await startScene({ route: { via: false } });
    expect(fieldLines((await call([])).head, 'via')).toEqual([]);
    expect(fieldLines((await call(['Via: 1.0 fred'])).head, 'via')).toEqual(['1.0 fred']);
  });

  test("Host is that of the upstream's URL, or what the route says in its place; never the caller's", async () => {
    scene = await startScene();
    expect(fieldLines((await call([])).head, 'host')).toEqual([new URL(scene.origin.url).host]);
    await scene.close();
    scene = await startScene({ route: { hostHeader: 'api.acme.example:8443' } });
    expect(fieldLines((await call([])).head, 'host')).toEqual(['api.acme.example:8443']);
  });

  test.each([
    ['128 visible characters', `${'!'.repeat(127)}~`, true],
    ['129', 'a'.repeat(129), false],
    ['a space', 'mine 7', false],
    ['a character that is not ASCII', 'mine-\u00e9', false],
    ['nothing', '', false],
  ])('an X-Request-Id of %s passes, or another one stands in for it: at the upstream and in our own answers', async (_what, id, passes) => {
    scene = await startScene();
    const [sent] = fieldLines((await call([`X-Request-Id: ${id}`])).head, 'x-request-id');
    const lines = ['GET /none HTTP/1.1', 'Host: localhost', `X-Request-Id: ${id}`, 'Connection: close', '', ''];
    const { text } = await sendRaw(scene.address(), lines.join('\r\n'));
    const [own] = fieldLines(text, 'x-request-id');
    if (passes) expect([sent, own]).toEqual([id, id]);
    else for (const made of [sent, own]) expect(made).toMatch(/^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/);
  });

  test('passes a valid traceparent and X-Request-Id on, and begins them where there are none', async () => {
    scene = await startScene();
    const given = '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01';
    const { head } = await call([`traceparent: ${given}`, 'X-Request-Id: mine-7']);
    expect(fieldLines(head, 'traceparent')).toEqual([given]);
    expect(fieldLines(head, 'x-request-id')).toEqual(['mine-7']);
    const fresh = await call([]);
    expect(fieldLines(fresh.head, 'traceparent')[0]).toMatch(/^00-[0-9a-f]{32}-[0-9a-f]{16}-00$/);
    expect(fieldLines(fresh.head, 'x-request-id')[0]).toMatch(/^[0-9a-f-]{36}$/);
  });

  test('passes a tracestate on with its trace, and none of another', async () => {
    scene = await startScene();
    const given = '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01';
    const { head } = await call([`traceparent: ${given}`, 'tracestate: vendor=1']);
    expect(fieldLines(head, 'tracestate')).toEqual(['vendor=1']);
    for (const broken of [[], ['traceparent: garbage'], [`traceparent: ${given}`, `traceparent: ${given}`]]) {
      const begun = await call([...broken, 'tracestate: vendor=1']);
      expect(fieldLines(begun.head, 'tracestate')).toEqual([]);
      expect(fieldLines(begun.head, 'traceparent')).toEqual([expect.stringMatching(/^00-(?!0af76519)[0-9a-f]{32}-[0-9a-f]{16}-00$/)]);
    }
  });

  test('an answer has a Date: that of the upstream, or ours where it has none, as our own answers do', async () => {
    const upstreams = 'Sat, 01 Jan 2000 00:00:00 GMT';
    const dates = (answer: string) => answer.split('\r\n').filter((line) => /^date:/i.test(line));
    const ours = expect.stringMatching(/^date: (?:Mon|Tue|Wed|Thu|Fri|Sat|Sun), \d\d [A-Z][a-z]{2} 20[2-9]\d \d\d:\d\d:\d\d GMT$/);
    scene = await startScene({ origin: inTurn(answerWith(200, [`Date: ${upstreams}`]), answerWith(200, [])) });
    expect(dates((await call([])).answer)).toEqual([`Date: ${upstreams}`]);
    expect(dates((await call([])).answer)).toEqual([ours]);
    const { text } = await sendRaw(scene.address(), 'GET /nowhere HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n');
    expect(dates(text)).toEqual([ours]);
  });

  test('H13 names that mean something to JavaScript are only names', async () => {
    scene = await startScene();
    const { head, answer } = await call(['__proto__: 1', 'constructor: 2', 'hasOwnProperty: 3', `${'n'.repeat(300)}: 4`]);
    expect(answer).toMatch(/^HTTP\/1.1 200 /);
    expect(fieldLines(head, '__proto__')).toEqual(['1']);
    expect(fieldLines(head, 'constructor')).toEqual(['2']);
    expect(fieldLines(head, 'n'.repeat(300))).toEqual(['4']);
  });

  test.each(['no colon here', ': empty name', 'spaced : x', 'bad\u0001name: x', 'x: a\u0000b'])(
    'H13 the field line %j is refused',
    async (line) => {
      scene = await startScene();
      const { answer } = await call([line]);
      expect(answer).toMatch(/^HTTP\/1.1 400 /);
      expect(scene.origin.requests).toHaveLength(0);
    },
  );

  test('Location of the upstream is mapped back to the listener', async () => {
    scene = await startScene({ origin: (request) => answerWith(302, [`Location: http://${request.field('host')[0]}/next?a=b`]) });
    expect((await call([])).answer).toMatch(/Location: \/api\/next\?a=b\r\n/);
  });

  test('Location of the upstream passes as it is where the route says so', async () => {
    const location = (host: string) => `Location: http://${host}/next?a=b`;
    scene = await startScene({
      route: { rewriteLocation: false },
      origin: (request) => answerWith(302, [location(request.field('host')[0] ?? '')]),
    });
    expect((await call([])).answer).toContain(`${location(new URL(scene.origin.url).host)}\r\n`);
  });
});
