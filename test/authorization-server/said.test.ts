import { describe, expect, test } from '@jest/globals';
import { masked, secretsOfRequest, whatWasSaid } from '../../src/authorization-server/said.ts';

const PASSWORD = `p<a>s's"w/o+r&d~\u00e9=`;

/** What servers and the frameworks beneath them make of a value before they show it. */
const SHOWN: [string, (text: string) => string][] = [
  ['as it is', (text) => text],
  ['as in a form', (text) => new URLSearchParams([['', text]]).toString().slice(1)],
  ['percent-encoded', encodeURIComponent],
  ['percent-encoded in small letters', (text) => encodeURIComponent(text).replace(/%../g, (code) => code.toLowerCase())],
  [
    'as in a form, in small letters',
    (text) =>
      new URLSearchParams([['', text]])
        .toString()
        .slice(1)
        .replace(/%../g, (code) => code.toLowerCase()),
  ],
  ['as within JSON', (text) => JSON.stringify(text).slice(1, -1)],
  ['as within JSON of PHP', (text) => JSON.stringify(text).slice(1, -1).replaceAll('/', '\\/').replaceAll('\u00e9', '\\u00e9')],
  [
    'as within HTML',
    (text) =>
      text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;').replaceAll('"', '&quot;').replaceAll("'", '&#39;'),
  ],
  [
    'as within HTML of Python',
    (text) =>
      text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;').replaceAll('"', '&quot;').replaceAll("'", '&#x27;'),
  ],
  ['as within HTML, quotes as they are', (text) => text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;')],
  ['in base64', (text) => Buffer.from(text).toString('base64')],
  ['in base64url', (text) => Buffer.from(text).toString('base64url')],
];

describe('what a server said', () => {
  test.each(SHOWN)('X01 holds no password that it shows %s', (_how, show) => {
    const secrets = secretsOfRequest(new URLSearchParams({ grant_type: 'password', password: PASSWORD }), {});
    expect(whatWasSaid({ error: 'invalid_grant', error_description: `wrong: ${show(PASSWORD)}, sorry` }, secrets)).toBe(
      'invalid_grant: wrong: [secret], sorry',
    );
  });
});

describe('secrets within a text', () => {
  test('X01 are hidden whole where they overlap', () => {
    expect(masked('say abcabcabca!', ['abcabca'])).toBe('say [secret]!');
  });

  /** Of the process, so that others on the machine do not count. */
  function cpuTimeOf(secrets: readonly string[]): number {
    const times = Array.from({ length: 5 }, () => {
      const before = process.cpuUsage();
      for (let repeat = 0; repeat < 10; repeat += 1) expect(masked('a'.repeat(3_000), secrets)).toHaveLength(3_000);
      return process.cpuUsage(before).user;
    });
    return Math.min(...times);
  }

  test('X06 cost no more where the text is full of what they begin and end with', () => {
    const secrets = (char: string) => Array.from({ length: 200 }, (_, i) => `${char.repeat(i + 1)}b${char.repeat(255)}`);
    const elsewhere = cpuTimeOf(secrets('c'));
    expect(cpuTimeOf(secrets('a')) / elsewhere).toBeLessThan(10);
  });

  test('X06 are not looked for one by one in a text that is too long for so many: nothing of it is shown', () => {
    const secrets = Array.from({ length: 200 }, (_, i) => `${'a'.repeat(i + 1)}b${'a'.repeat(255)}`);
    expect(masked('a'.repeat(30_000), secrets)).toBe('[secret]');
  });
});
