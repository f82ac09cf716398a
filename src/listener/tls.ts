/** TLS of a listener: its certificates, following their files, and who the client turned out to be. */

import { constants, type X509Certificate } from 'node:crypto';
import type { Server, TLSSocket, TlsOptions } from 'node:tls';
import { pemBlocks } from '../config/pem.ts';
import type { ListenerConfig } from '../config/schema/listeners.ts';
import type { Peer, PeerCertificate } from '../message.ts';

type ListenerTls = NonNullable<ListenerConfig['tls']>;

/** What a listener's TLS is made from. */
export type SecureListener = Pick<ListenerConfig, 'authenticate' | 'protocols'> & { readonly tls: ListenerTls };

export function tlsOptions({ tls, authenticate, protocols }: SecureListener): TlsOptions {
  return {
    cert: tls.cert.reveal(),
    key: tls.key.reveal(),
    minVersion: tls.minVersion,
    honorCipherOrder: true,
    // A caller of TLS 1.2 could have us make handshake after handshake, on one connection; Node's own limit does not count them.
    secureOptions: constants.SSL_OP_NO_RENEGOTIATION,
    // Whoever speaks both is given the better one (RFC 7301 §3.2: the choice is ours).
    ALPNProtocols: ['h2', 'http/1.1'].filter((name) => protocols.some((each) => each === name)),
    ...(authenticate.includes('mtls') ? clientVerification(tls) : {}),
  };
}

/** Whether a certificate was verified is asked at each request: a client without one gets an HTTP answer, not a broken handshake. */
function clientVerification(tls: ListenerTls): TlsOptions {
  return {
    requestCert: true,
    rejectUnauthorized: false,
    ...(tls.clientCa === undefined ? {} : { ca: tls.clientCa.reveal() }),
    // Node reads one list from each string, and every CA of a chain needs its own.
    ...(tls.crl === undefined ? {} : { crl: pemBlocks(tls.crl.reveal(), 'X509 CRL') }),
  };
}

/** Certificate and key change together, but are read one after the other. */
const TOGETHER_MS = 200;

/** So begin the codes of what went wrong within TLS. */
const OPENSSL = 'ERR_SSL_';

export interface TlsObserver {
  readonly onTlsChange: () => void;
  /** A changed certificate or key could not be used; the old one stays. */
  readonly onTlsProblem: (cause: unknown) => void;
  /** TLS was not agreed on. @param reason as OpenSSL says it, in lower case */
  readonly onHandshakeFailed: (reason: string) => void;
}

/** Tells of handshakes, and has new ones use changed files. While those do not fit together, as in the middle of a rotation, the old ones stay. */
export function followTlsFiles(server: Server, listener: SecureListener, told: TlsObserver): () => void {
  const { tls } = listener;
  server.on('tlsClientError', ({ code = '' }: NodeJS.ErrnoException) => {
    // Who says nothing has mostly looked whether somebody is there, as load balancers do.
    if (code.startsWith(OPENSSL)) told.onHandshakeFailed(code.slice(OPENSSL.length).toLowerCase());
  });
  let pending = false;
  const apply = () => {
    pending = false;
    try {
      server.setSecureContext(tlsOptions(listener));
      told.onTlsChange();
    } catch (cause) {
      told.onTlsProblem(cause);
    }
  };
  const change = () => {
    if (!pending) setTimeout(apply, TOGETHER_MS).unref();
    pending = true;
  };
  const unfollow = [tls.cert, tls.key, tls.clientCa, tls.crl].map((material) => material?.onChange(change));
  return () => {
    for (const stop of unfollow) stop?.();
  };
}

/** The client's certificate, where one was presented; what it says counts only when its chain verified. */
export function presentedCertificate(socket: TLSSocket, read: (certificate: X509Certificate) => PeerCertificate): Peer['certificate'] {
  const certificate = socket.getPeerX509Certificate();
  if (certificate === undefined) return undefined;
  // Node's types say Error; it is the code alone.
  return socket.authorized ? read(certificate) : { unverified: String(socket.authorizationError) };
}
