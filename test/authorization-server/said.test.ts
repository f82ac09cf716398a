import { describe, expect, test } from '@jest/globals';
import { secretsOfRequest, whatWasSaid } from '../../src/authorization-server/said.ts';

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
