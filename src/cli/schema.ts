/** `token-broker schema`: the JSON Schema of the config. */

import { Command } from 'commander';
import { configJsonSchema } from '../config/json-schema.ts';
import type { Io } from './io.ts';

export function schemaCommand(io: Io): Command {
  return new Command('schema')
    .description('Print the JSON Schema of the config, for editors and other tools.')
    .addHelpText('after', '\nExample:\n  token-broker schema > sidecar.schema.json\n')
    .action(() => {
      // Longer than a pipe holds: ending at once would cut it short.
      io.stdout.write(`${JSON.stringify(configJsonSchema(), null, 2)}\n`, () => io.exit(0));
    });
}
