import { createHash } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { type EchoedRequest, type EchoUpstream, startEchoUpstream } from '../../src/demo/echo-upstream.ts';
import { request } from '../helpers/http-client.ts';

const seen: EchoedRequest[] = [];
let upstream: EchoUpstream;

beforeAll(async () => {
  upstream = await startEchoUpstream({
    address: { host: '127.0.0.1', port: 0 },
    secretFields: new Set(['x-api-key']),
    onRequest: (echoed) => void seen.push(echoed),
  });
});
afterAll(() => upstream.close());

const sha256 = (text: string) => createHash('sha256').update(text).digest('hex');

describe('the echo upstream', () => {
  test('answers with the method, the path, the fields and what the body was', async () => {
    const fields = ['X-One', '1', 'x-two', 'a', 'X-Two', 'b', '__proto__', 'p'];
    const answer = await request(`${upstream.url}/a%2Fb?q=1`, { method: 'PUT', fields, body: 'héllo' });
    const echoed = answer.json() as EchoedRequest;
    expect(answer.field('Content-Type')).toBe('application/json');
    expect(echoed).toMatchObject({ method: 'PUT', path: '/a%2Fb?q=1', body: { bytes: 6, sha256: sha256('héllo') } });
    expect(Object.entries(echoed.fields)).toEqual(
      expect.arrayContaining([
        ['X-One', '1'],
        ['x-two', ['a', 'b']],
        ['__proto__', 'p'],
      ]),
    );
    expect(seen.at(-1)).toEqual(echoed);
  });

  test('shows of a credential only the scheme and eight digits', async () => {
    const fields = { Authorization: 'Bearer the-token', 'X-Api-Key': 'the key', 'X-Other': 'plain' };
    const answer = await request(upstream.url, { fields });
    expect((answer.json() as EchoedRequest).fields).toMatchObject({
      Authorization: `Bearer <sha256 ${sha256('the-token').slice(0, 8)}>`,
      'X-Api-Key': `<sha256 ${sha256('the key').slice(0, 8)}>`,
      'X-Other': 'plain',
    });
    expect(answer.text()).not.toMatch(/the.token|the.key/);
  });

  test('has no word of a credential without a scheme', async () => {
    const answer = await request(upstream.url, { fields: ['Authorization', 'bare'] });
    expect((answer.json() as EchoedRequest).fields['Authorization']).toBe(`<sha256 ${sha256('bare').slice(0, 8)}>`);
  });
});
