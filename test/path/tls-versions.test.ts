/** Which versions of TLS a listener speaks. */

import { connect, type SecureVersion } from 'node:tls';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { type Scene, startScene } from '../helpers/broker.ts';
import { type Authority, sharedAuthority } from '../helpers/certificates.ts';

let scene: Scene;
let authority: Authority;
beforeAll(async () => {
  authority = await sharedAuthority();
  const { cert, key } = await authority.issueServer();
  const listener = (more: object) => ({
    address: '127.0.0.1:0',
    authenticate: ['anonymous'],
    tls: { cert: { unsafeInline: cert }, key: { unsafeInline: key }, ...more },
  });
  scene = await startScene({ config: { listeners: { usual: listener({}), strict: listener({ minVersion: 'TLSv1.3' }) } } });
});
afterAll(() => scene.close());

/** What was agreed on, or the alert. The client would speak versions that its OpenSSL counts as broken, too. */
function agreed(listener: string, version: SecureVersion): Promise<string | null> {
  const { hostname, port } = new URL(scene.url(listener));
  return new Promise((resolve) => {
    const only = { minVersion: version, maxVersion: version, ciphers: 'DEFAULT@SECLEVEL=0' };
    const socket = connect({ host: hostname, port: Number(port), servername: 'localhost', ca: authority.certificate, ...only });
    socket.on('secureConnect', () => {
      resolve(socket.getProtocol());
      socket.destroy();
    });
    socket.on('error', ({ code }: NodeJS.ErrnoException) => resolve(code ?? null));
  });
}

const REFUSED = expect.stringMatching(/ALERT_PROTOCOL_VERSION$/);

describe('a listener with TLS', () => {
  test.each<[SecureVersion, unknown]>([
    ['TLSv1.1', REFUSED],
    ['TLSv1.2', 'TLSv1.2'],
    ['TLSv1.3', 'TLSv1.3'],
  ])('is asked for %s, and speaks nothing older than 1.2', async (version, outcome) => {
    expect(await agreed('usual', version)).toEqual(outcome);
  });

  test.each<[SecureVersion, unknown]>([
    ['TLSv1.2', REFUSED],
    ['TLSv1.3', 'TLSv1.3'],
  ])('is asked for %s, and speaks nothing older than 1.3 where "minVersion" says so', async (version, outcome) => {
    expect(await agreed('strict', version)).toEqual(outcome);
  });
});
