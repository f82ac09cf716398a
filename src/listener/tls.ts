/** TLS of a listener: its certificates, following their files, and who the client turned out to be. */

import type { X509Certificate } from 'node:crypto';
import type { Server, TLSSocket, TlsOptions } from 'node:tls';
import type { ListenerConfig } from '../config/schema/listeners.ts';
import type { PeerCertificate } from '../message.ts';

type ListenerTls = NonNullable<ListenerConfig['tls']>;

export function tlsOptions(tls: ListenerTls, authenticate: ListenerConfig['authenticate']): TlsOptions {
  return {
    cert: tls.cert.reveal(),
    key: tls.key.reveal(),
    minVersion: tls.minVersion,
    honorCipherOrder: true,
    ALPNProtocols: ['http/1.1'],
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
    ...(tls.crl === undefined ? {} : { crl: tls.crl.reveal().match(/-----BEGIN X509 CRL-----[^-]+-----END X509 CRL-----/g) ?? [] }),
  };
}

/** Certificate and key change together, but are read one after the other. */
const TOGETHER_MS = 200;

/** New handshakes use changed files. While they do not fit together, as in the middle of a rotation, the old ones stay. */
export function followTlsFiles(
  server: Server,
  tls: ListenerTls,
  authenticate: ListenerConfig['authenticate'],
  onProblem: (cause: unknown) => void,
): void {
  let pending = false;
  const apply = () => {
    pending = false;
    try {
      server.setSecureContext(tlsOptions(tls, authenticate));
    } catch (cause) {
      onProblem(cause);
    }
  };
  for (const material of [tls.cert, tls.key, tls.clientCa, tls.crl]) {
    material?.onChange(() => {
      if (!pending) setTimeout(apply, TOGETHER_MS).unref();
      pending = true;
    });
  }
}

/** The client's certificate, if it was asked for and its chain verified. */
export function verifiedCertificate(
  socket: TLSSocket,
  read: (certificate: X509Certificate) => PeerCertificate,
): PeerCertificate | undefined {
  const certificate = socket.authorized ? socket.getPeerX509Certificate() : undefined;
  return certificate === undefined ? undefined : read(certificate);
}
