/** A Redis that cannot be reached, says nothing, or is none, under load: no request fails, and sharing comes back by itself. */

import { passOn } from '../helpers/fault-proxy.ts';
import { type Fault, testHarmless } from '../helpers/redis-trouble.ts';
import { LONG } from '../helpers/scale.ts';

const late = (ms: number) => (chunk: Buffer, client: { write(bytes: Buffer): unknown }) => void setTimeout(() => client.write(chunk), ms);

const KILLED: Fault = { name: 'C05 killed', begin: ({ redis }) => redis.kill(), end: ({ redis }) => redis.restart() };
const TEN_MINUTES: Fault = { ...KILLED, name: 'C06 killed for ten minutes', load: { perSecond: 500, seconds: 600 } };

const FAULTS: readonly Fault[] = [
  ...(LONG ? [KILLED, TEN_MINUTES] : [KILLED]),
  { name: 'C05 stopped, with its connections open', begin: ({ redis }) => redis.stop(), end: ({ redis }) => redis.cont() },
  { name: 'C05 slow', begin: ({ proxy }) => proxy.answer(late(400)), end: ({ proxy }) => proxy.answer(passOn) },
  {
    name: 'C08 replaced by something that is no Redis',
    begin: ({ proxy }) => proxy.answer(() => Buffer.from('HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n')),
    end: ({ proxy }) => proxy.answer(passOn),
  },
  {
    name: 'C14 with its TLS broken',
    tls: true,
    begin({ proxy }) {
      proxy.answer((chunk) => chunk.map((byte, at) => (at % 7 === 6 ? byte ^ 1 : byte)) as Buffer);
      proxy.cut();
    },
    end: ({ proxy }) => proxy.answer(passOn),
  },
];

testHarmless(FAULTS);
