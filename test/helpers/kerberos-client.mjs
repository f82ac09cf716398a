/** A client by the same library, in a process of its own: each line of stdin asks for a token or shows it an answer, each line of stdout says what came of it. */

import { createRequire } from 'node:module';
import { createInterface } from 'node:readline';

const kerberos = createRequire(import.meta.url)('kerberos');

let client;

for await (const line of createInterface({ input: process.stdin })) {
  const said = await answerTo(JSON.parse(line)).catch((error) => ({ error: error.message }));
  process.stdout.write(`${JSON.stringify(said)}\n`);
}

async function answerTo({ answer, service = 'HTTP@localhost', bare = false, delegating = false, mutual = true }) {
  if (answer !== undefined) {
    await client.step(answer);
    return { complete: client.contextComplete };
  }
  const flags = (mutual ? kerberos.GSS_C_MUTUAL_FLAG : 0) | (delegating ? kerberos.GSS_C_DELEG_FLAG : 0) | kerberos.GSS_C_REPLAY_FLAG;
  const mechOID = bare ? kerberos.GSS_MECH_OID_KRB5 : kerberos.GSS_MECH_OID_SPNEGO;
  client = await kerberos.initializeClient(service, { flags, mechOID });
  return { token: await client.step('') };
}
