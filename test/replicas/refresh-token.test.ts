/** Replicas of one account at a server that takes each refresh token once. */

import { randomBytes } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, describe, expect, test } from '@jest/globals';
import { startRedis } from '../helpers/redis.ts';
import { startReplica } from '../helpers/replicas.ts';
import { oauthError, tokenAnswer } from '../helpers/scripted-answers.ts';
import { startScriptedServer } from '../helpers/scripted-server.ts';

const closing: { close(): Promise<unknown> }[] = [];
afterEach(async () => {
  for (const each of closing.splice(0).reverse()) await each.close();
});

const LIFETIME_SECONDS = 1;
const inline = (text: string) => ({ unsafeInline: text });

/** Two replicas until their access tokens were renewed a few times; what was sent as refresh tokens, and what was refused. */
async function renewals(token: Record<string, unknown>) {
  const redeemed: string[] = [];
  let refused = 0;
  let valid = new Set(['refresh-0']);
  const authorizationServer = await startScriptedServer({
    answer: ({ count, body }) => {
      const form = new URLSearchParams(body.toString());
      const sent = form.get('refresh_token');
      if (sent !== null) {
        redeemed.push(sent);
        if (!valid.delete(sent)) {
          refused += 1;
          // As RFC 9700 §4.14.2 wants: a token used twice ends all that came of it.
          valid = new Set();
          return oauthError('invalid_grant');
        }
      }
      valid.add(`refresh-${count}`);
      return tokenAnswer({ access_token: `token-${count}`, refresh_token: `refresh-${count}`, expires_in: LIFETIME_SECONDS });
    },
  });
  const redis = await startRedis();
  closing.push(redis, authorizationServer);
  const replicas = Array.from({ length: 2 }, () =>
    startReplica({
      tokenEndpoint: `${authorizationServer.url}/token`,
      redis: { ...redis.access, commandTimeout: '5s' },
      token,
    }),
  );
  closing.push(...replicas);
  await Promise.all(replicas.map(({ source }) => source.get()));
  await authorizationServer.untilRequests(6);
  return { redeemed, refused };
}

describe('R11 two replicas', () => {
  test('with the password grant: one redeems its refresh token, the other takes the result from the store', async () => {
    const { redeemed, refused } = await renewals({
      grant: 'password',
      resourceOwner: { username: inline('alice'), password: inline('secret') },
    });
    expect(redeemed.length).toBeGreaterThan(0);
    expect(new Set(redeemed).size).toBe(redeemed.length);
    expect(refused).toBe(0);
  });

  test('with one refresh token, kept in a file they share: each is redeemed once', async () => {
    const directory = await mkdtemp(join(tmpdir(), 'token-broker-replicas-'));
    closing.push({ close: () => rm(directory, { recursive: true }) });
    const { redeemed, refused } = await renewals({
      grant: 'refresh_token',
      refreshToken: inline('refresh-0'),
      persist: join(directory, 'orders'),
      persistKey: inline(randomBytes(32).toString('base64')),
    });
    expect(redeemed.length).toBeGreaterThan(3);
    expect(new Set(redeemed).size).toBe(redeemed.length);
    expect(refused).toBe(0);
  });
});
