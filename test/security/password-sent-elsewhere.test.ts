/**
 * The attack: a token is made from the Basic credentials of the caller, so the broker sends them to an authorization server. Somebody who
 * controls or reads that server collects the passwords that callers have at the broker itself; or somebody without any
 * password comes in by the listener that lets all of them through.
 */

import { afterEach, expect, test } from '@jest/globals';
import { type Scene, secretHash, startScene } from '../helpers/broker.ts';
import { request } from '../helpers/http-client.ts';

let scene: Scene;
afterEach(() => scene.close());

async function start(callers: readonly string[]): Promise<void> {
  scene = await startScene({
    tokenConfig: { grant: 'password', resourceOwner: 'caller' },
    route: { callers },
    config: {
      listeners: {
        local: { address: '127.0.0.1:0', authenticate: ['basic'] },
        through: { address: '127.0.0.1:0', authenticate: ['basic-passthrough'] },
      },
      callers: { billing: { basic: { passwordHash: await secretHash() } } },
    },
  });
}

const asked = () => scene.authorizationServer.requests;

test('the password of a caller of the broker stays here, although its route would send one on', async () => {
  await start(['*', 'basic-passthrough']);
  expect((await request(`${scene.url()}/api/x`, { user: 'billing:secret' })).status).toBe(401);
  expect(asked()).toHaveLength(0);
  expect((await request(`${scene.url('through')}/api/x`, { user: 'alice:hers' })).status).toBe(200);
  expect(new URLSearchParams(asked()[0]?.body.toString()).get('username')).toBe('alice');
});

test('whoever comes through unjudged gets past no route that does not name them', async () => {
  await start(['*']);
  expect((await request(`${scene.url('through')}/api/x`, { user: 'alice:hers' })).status).toBe(403);
  expect(asked()).toHaveLength(0);
});
