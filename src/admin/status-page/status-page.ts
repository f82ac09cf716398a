/** The page at `/` of the admin address: one document that loads nothing, and shows what `/status` says. */

import { hash } from 'node:crypto';
import type { Page } from '../page.ts';
import { html, script, style } from './sources.ts';

/** Nothing runs but the script that stands in the page, no text becomes markup, and no other page may show this one to have its buttons pressed. */
export function createStatusPage(): Page {
  const policy = [
    "default-src 'none'",
    `script-src '${hashOf(script)}'`,
    `style-src '${hashOf(style)}'`,
    "connect-src 'self'",
    "base-uri 'none'",
    "form-action 'none'",
    "frame-ancestors 'none'",
    "require-trusted-types-for 'script'",
    "trusted-types 'none'",
  ];
  return {
    status: 200,
    contentType: 'text/html; charset=utf-8',
    text: html.replace('<style></style>', () => `<style>${style}</style>`).replace('<script></script>', () => `<script>${script}</script>`),
    fields: { 'content-security-policy': policy.join('; '), 'referrer-policy': 'no-referrer' },
  };
}

/** As a policy names what stands in the page itself (CSP3 §2.3.1). */
function hashOf(text: string): string {
  return `sha256-${hash('sha256', text, 'base64')}`;
}
