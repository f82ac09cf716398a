/** The labels and annotations by which pods ask for a sidecar. */

/** Label of a pod or a namespace: "enabled", or "disabled" for one pod of a namespace. The API server judges it. */
export const INJECT = 'token-broker.io/inject';
/** Which sidecar a pod wants, where more than one is open to its namespace. */
export const SIDECAR = 'token-broker.io/sidecar';
/** Which containers of the pod get the variables of the sidecar: their names, or "*". */
export const ENV = 'token-broker.io/env';
/** What the injector leaves behind: which sidecar the pod got. */
export const INJECTED = 'token-broker.io/injected';
