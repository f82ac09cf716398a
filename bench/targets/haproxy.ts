/** HAProxy with `haproxy.cfg` beside this file. */

import { join } from 'node:path';
import { fillIn, type Target, versionOf } from './target.ts';

export const haproxy: Target = {
  name: 'haproxy',
  version: versionOf('haproxy', ['-v'], /HAProxy version (\S+)/),
  async prepare({ setting, folder, port, originPort, scheme }) {
    const file = join(folder, 'haproxy.cfg');
    await fillIn(new URL('haproxy.cfg', import.meta.url), file, {
      PORT: port,
      ORIGIN_PORT: originPort,
      TOKEN: setting.token,
      TLS: scheme === 'https' ? `ssl verify required ca-file ${setting.caFile} verifyhost localhost` : '',
    });
    return ['haproxy', '-db', '-f', file];
  },
};
