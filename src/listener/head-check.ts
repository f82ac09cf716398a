/** All that is judged of a head before anything else happens: its fields, its target, the site it names. */

import type { ListenerConfig } from '../config/schema/listeners.ts';
import { createSiteGuard } from './cross-site.ts';
import { refuseLoop } from './loop.ts';
import { type CheckedHead, checkRequestHead, type RequestHead } from './request-head.ts';
import { checkTarget } from './target.ts';

/** Throws a `BrokerError` of stage `listener`. */
export type HeadCheck = (head: RequestHead) => CheckedHead;

export function createHeadCheck(listener: ListenerConfig): HeadCheck {
  const checkSite = createSiteGuard(listener);
  return (head) => {
    const checked = checkRequestHead(head, listener.limits);
    const whole = checkTarget(head.target);
    refuseLoop(head.fields);
    checkSite({ host: whole?.host ?? checked.host, isWhole: whole !== undefined, fields: head.fields });
    return whole === undefined ? checked : { ...checked, ...whole };
  };
}
