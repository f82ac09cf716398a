/** AdmissionReview of admission.k8s.io/v1: what the API server asks, and a verdict in its words. */

import { type Pod, podFrom } from './pod.ts';
import type { Verdict } from './verdict.ts';

export interface AdmissionRequest {
  readonly uid: string;
  readonly namespace: string;
  readonly pod: Pod;
}

const API_VERSION = 'admission.k8s.io/v1';
const NAMESPACE = /^[-a-z0-9]{1,63}$/;

/** `fault` is for whoever has set up the webhook; it quotes nothing. */
export function readReview(text: string): AdmissionRequest | { readonly fault: string } {
  const review = parsed(text);
  if (review?.kind !== 'AdmissionReview' || review.apiVersion !== API_VERSION)
    return { fault: `not an AdmissionReview of ${API_VERSION}; list "v1" alone in "admissionReviewVersions"` };
  const { uid, namespace, kind, operation, subResource, object } = review.request ?? {};
  if (typeof uid !== 'string' || uid === '') return { fault: 'a review without "request.uid"' };
  const isPod = kind?.group === '' && kind.version === 'v1' && kind.kind === 'Pod' && !subResource;
  if (!isPod || operation !== 'CREATE' || typeof namespace !== 'string' || !NAMESPACE.test(namespace))
    return { fault: 'only the creation of pods can be reviewed; let the rules of the webhook name nothing else' };
  const pod = podFrom(object);
  return pod === undefined ? { fault: 'the pod has not the form of one' } : { uid, namespace, pod };
}

/** A review as it should be; each part is looked at before it is used. */
interface Review {
  readonly kind?: unknown;
  readonly apiVersion?: unknown;
  readonly request?: {
    readonly uid?: unknown;
    readonly namespace?: unknown;
    readonly kind?: { readonly group?: unknown; readonly version?: unknown; readonly kind?: unknown } | null;
    readonly operation?: unknown;
    readonly subResource?: unknown;
    readonly object?: unknown;
  } | null;
}

function parsed(text: string): Review | undefined {
  try {
    return JSON.parse(text) ?? undefined;
  } catch {
    return undefined;
  }
}

export function answerReview(uid: string, verdict: Verdict): object {
  return { apiVersion: API_VERSION, kind: 'AdmissionReview', response: { uid, ...responseTo(verdict) } };
}

function responseTo(verdict: Verdict): object {
  if (verdict.outcome === 'refused')
    return { allowed: false, status: { status: 'Failure', code: 403, reason: 'Forbidden', message: verdict.reason } };
  if (verdict.outcome === 'left-alone') return { allowed: true };
  const { patch, warnings } = verdict;
  const base64 = Buffer.from(JSON.stringify(patch)).toString('base64');
  return { allowed: true, patchType: 'JSONPatch', patch: base64, ...(warnings.length > 0 && { warnings }) };
}
