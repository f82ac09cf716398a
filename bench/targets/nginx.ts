/** nginx with `nginx.conf` beside this file. */

import { join } from 'node:path';
import { fillIn, type Target, versionOf } from './target.ts';

export const nginx: Target = {
  name: 'nginx',
  version: versionOf('nginx', ['-v'], /nginx\/(\S+)/),
  async prepare({ setting, folder, port, originPort, scheme, accessLog }) {
    const file = join(folder, 'nginx.conf');
    await fillIn(new URL('nginx.conf', import.meta.url), file, {
      FOLDER: folder,
      PORT: port,
      ORIGIN_PORT: originPort,
      SCHEME: scheme,
      TOKEN: setting.token,
      CA: setting.caFile,
      ACCESS_LOG: accessLog ? join(folder, 'access.log') : 'off',
    });
    return ['nginx', '-e', 'stderr', '-c', file];
  },
};
