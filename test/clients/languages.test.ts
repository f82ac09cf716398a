/** Callers as they are out there: the HTTP clients that Java, Go, Python and Perl bring along, each in all the ways it knows. */

import { fileURLToPath } from 'node:url';
import { afterAll, afterEach, beforeAll, describe, expect, test } from '@jest/globals';
import { describeInstalled } from '../helpers/proxy-program.ts';
import { LONG } from '../helpers/scale.ts';
import { type CalledBroker, LONGEST_MS, linesOf, startCalledBroker } from './called-broker.ts';

let broker: CalledBroker;
beforeAll(async () => {
  broker = await startCalledBroker();
});
afterEach(() => broker.expectNothingLeaked());
afterAll(() => broker.close());

/** The arguments of each of the programs are the same. */
const callAll = (name: string, args: readonly string[], file: string) =>
  linesOf(name, [
    ...args,
    fileURLToPath(new URL(`programs/${file}`, import.meta.url)),
    broker.port('local'),
    broker.port('h2c'),
    broker.port('tls'),
    broker.file('ca.crt'),
    broker.file('broker.sock'),
  ]);

/** Each way of a client, and what its call gives. */
const under = (client: string, outcomes: Readonly<Record<string, string>>) =>
  Object.entries(outcomes).map(([way, outcome]) => `${[client, way].filter(Boolean).join(', ')}: ${outcome}`.trim());

function describeGo(): typeof describe | typeof describe.skip {
  if (LONG) return describeInstalled('go');
  process.stderr.write('left out: the caller in Go, whose compiler takes a minute the first time; LONG=1 runs it\n');
  return describe.skip;
}

describeInstalled('java')('a caller in Java', () => {
  const GET = '200 GET / 0';
  const POST = '200 POST / 300000';

  test(
    'gets its answers, whichever of the clients of the JDK it has',
    async () => {
      expect(await callAll('java', [], 'Caller.java')).toEqual([
        ...under('HttpURLConnection', { header: GET, 'fixed length': POST, chunked: POST, 'nobody, fixed length': '401' }),
        ...under('HttpURLConnection', { asked: GET, 'asked, POST': POST, proxy: GET }),
        // It offers to go on by HTTP/2 with each first request.
        ...['HttpClient', 'HttpClient, h2c at the other side'].flatMap((client) =>
          under(client, {
            '': `${GET} HTTP_1_1`,
            POST: `${POST} HTTP_1_1`,
            'first is a POST': `${POST} HTTP_1_1`,
            Expect: `${POST} HTTP_1_1`,
            'of unknown length': '200 PUT / 300000 HTTP_1_1',
            HEAD: '200  HTTP_1_1',
            '40 at once': '40 times 200',
          }),
        ),
        ...under('HttpClient', { proxy: `${GET} HTTP_1_1`, 'proxy, POST': `${POST} HTTP_1_1` }),
        ...under('HttpClient', { TLS: `${GET} HTTP_2`, 'TLS, POST': `${POST} HTTP_2` }),
      ]);
    },
    LONGEST_MS,
  );
});

describeGo()('a caller in Go', () => {
  const outcomes = (protocol: string) => ({
    '': `200 GET / 0 ${protocol}`,
    POST: `200 POST / 300000 ${protocol}`,
    'of unknown length': `200 PUT / 300000 ${protocol}`,
    Expect: `200 POST / 300000 ${protocol}`,
    HEAD: `200  ${protocol}`,
    trailer: `200 POST / 300000 ${protocol}`,
    nobody: `401  ${protocol}`,
    '40 at once': '40 times 200',
  });

  test(
    'gets its answers by HTTP/1.1 and HTTP/2, in the clear, over TLS and through a socket',
    async () => {
      expect(await callAll('go', ['run'], 'caller.go')).toEqual([
        ...under('net/http', outcomes('HTTP/1.1')),
        ...under('net/http, h2c', outcomes('HTTP/2.0')),
        ...under('net/http, TLS', outcomes('HTTP/2.0')),
        ...under('net/http', { proxy: '200 GET / 0 HTTP/1.1', 'Unix socket': '200 GET / 0 HTTP/1.1' }),
      ]);
    },
    LONGEST_MS,
  );
});

describeInstalled('python3')('a caller in Python', () => {
  test(
    'gets its answers, whether it waits to be asked for credentials or not',
    async () => {
      const [GET, POST] = ['200 GET / 0', '200 POST / 300000'];
      const lines = await callAll('python3', [], 'caller.py');
      const requests = under('requests', {
        '': GET,
        POST,
        'of unknown length': POST,
        file: '200 POST / 300140',
        TLS: GET,
        nobody: '401',
        proxy: GET,
      });
      const without = ['requests: not installed'];
      expect(lines).toEqual([
        ...under('urllib', { asked: GET, 'asked, POST': POST, proxy: GET }),
        ...under('http.client', { '': GET, chunked: POST, HEAD: '200' }),
        ...(lines.at(-1) === without[0] ? without : requests),
      ]);
    },
    LONGEST_MS,
  );
});

describeInstalled('perl')('a caller in Perl', () => {
  const ASK = 'my $r = HTTP::Tiny->new->request($ARGV[0], $ARGV[1], {content => "x" x $ARGV[2]}); print "$r->{status} $r->{content}\\n"';

  test.each([
    ['GET', 0],
    ['PUT', 300_000],
  ])('gets its answer to %s', async (method, length) => {
    const known = broker.url().replace('//', '//billing:secret@');
    expect(await linesOf('perl', ['-MHTTP::Tiny', '-e', ASK, method, known, String(length)])).toEqual([`200 ${method} / ${length}`]);
  });
});
