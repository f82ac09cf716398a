/** Client certificates with many names, one handshake after another: what is read of them is let go again (CVE-2025-59464). */

import { readFile } from 'node:fs/promises';
import { afterEach, describe, expect, test } from '@jest/globals';
import { type BrokerProcess, startBrokerProcess } from '../helpers/broker-process.ts';
import { createAuthority, type Identity } from '../helpers/certificates.ts';
import { ASKABLE, heapOf } from '../helpers/heap.ts';
import { request } from '../helpers/http-client.ts';
import { scaled } from '../helpers/scale.ts';
import { answerWith } from '../helpers/scripted-answers.ts';
import { type ScriptedServer, startScriptedServer } from '../helpers/scripted-server.ts';

let broker: BrokerProcess | undefined;
let origin: ScriptedServer | undefined;
afterEach(() => Promise.all([broker?.close(), origin?.close()]));

const NAMES = 50;
/** Long, so that what would be left of each handshake is 30 KB: 30 MB of a thousand. */
const LENGTH = 600;
const MIB = 1024 ** 2;

const names = (certificate: number) =>
  Array.from({ length: NAMES }, (_, index) => `spiffe://acme.example/${certificate}/${index}/`.padEnd(LENGTH, 'x'));

/** Without what is shared with other processes, in bytes. */
async function residentOf({ pid }: BrokerProcess): Promise<number> {
  const status = await readFile(`/proc/${pid}/status`, 'utf8');
  return Number(/^RssAnon:\s+(\d+) kB$/m.exec(status)?.[1]) * 1024;
}

describe('certificates of callers', () => {
  test('B09 a thousand handshakes with 50 names each leave nothing behind', async () => {
    const authority = await createAuthority();
    const server = await authority.issueServer();
    const clients = await Promise.all(Array.from({ length: 20 }, (_, index) => authority.issueClient({ uri: names(index) })));
    origin = await startScriptedServer({ answer: () => answerWith(200, [], 'ok') });
    broker = await startBrokerProcess({
      // So that what the process holds is what is in use.
      nodeArgs: [...ASKABLE, '--max-semi-space-size=1'],
      env: { MALLOC_ARENA_MAX: '1', MALLOC_TRIM_THRESHOLD_: '131072', MALLOC_MMAP_THRESHOLD_: '65536' },
      files: { 'server.key': server.key },
      config: {
        listeners: {
          mesh: {
            address: '127.0.0.1:0',
            authenticate: ['mtls'],
            tls: { cert: server.cert, key: { fromFile: 'server.key' }, clientCa: authority.certificate },
          },
        },
        callers: {
          many: { mtls: { uri: `spiffe://acme.example/*/49/${'x'.repeat(LENGTH)}` } },
          any: { mtls: { uri: 'spiffe://acme.example/*/0/*' } },
        },
        routes: { api: { path: '/', callers: ['any'], token: null, upstream: origin.url } },
        log: { access: false },
      },
    });
    const url = broker.url('mesh', 'https');
    const call = async ({ cert, key }: Identity) =>
      expect((await request(`${url}/x`, { tls: { cert, key, ca: authority.certificate } })).status).toBe(200);
    const callMany = async (count: number) => {
      for (let done = 0; done < count; done += 20) await Promise.all(clients.map(call));
    };
    const heap = heapOf(broker);
    const process = broker;
    /** What the next handshakes add: to the heap, and to what the process holds. */
    const growth = async (count: number) => {
      const [before, residentBefore] = [await heap(), await residentOf(process)];
      await callMany(count);
      const [after, residentAfter] = [await heap(), await residentOf(process)];
      return { heap: after.heapUsed + after.external - before.heapUsed - before.external, resident: residentAfter - residentBefore };
    };
    // Until buffers and compiled code are all there: some 25 MB, whatever is in the certificates.
    await callMany(1_000);
    const rounds = [await growth(500), await growth(scaled(500, 5_000))];
    expect(Math.max(...rounds.map((round) => round.heap))).toBeLessThan(5 * MIB);
    // Node itself keeps 4 KB of each handshake with a certificate; the names alone would be 15 MB of 500.
    expect(Math.min(...rounds.map((round) => round.resident))).toBeLessThan(8 * MIB);
  }, 120_000);
});
