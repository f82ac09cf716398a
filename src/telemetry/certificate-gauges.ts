/** The metrics of what ends at a known moment, which broker and injector both have. */

type Edge = 'notBeforeAt' | 'endingAt' | 'notAfterAt';

/** Milliseconds since the epoch, with the key of the config. */
export interface CertificateEdges {
  readonly key: string;
  readonly validity: Readonly<Record<Edge, number>>;
}

interface CertificateGauge {
  readonly name: string;
  readonly help: string;
  /** Seconds since the epoch by the label `certificate`, to be read at each scrape. */
  readonly read: () => Iterable<readonly [certificate: string, seconds: number]>;
}

export function certificateGauges(edges: () => Iterable<CertificateEdges>): CertificateGauge[] {
  const gauge = (name: string, help: string, edge: Edge): CertificateGauge => ({
    name,
    help: `${help}, in Unix time.`,
    *read() {
      for (const { key, validity } of edges()) yield [key, validity[edge] / 1000];
    },
  });
  return [
    gauge('certificate_not_before_seconds', 'When a certificate or revocation list of the config begins to be good', 'notBeforeAt'),
    gauge('certificate_ending_seconds', 'From when on a certificate or revocation list of the config is late to be replaced', 'endingAt'),
    gauge('certificate_not_after_seconds', 'When a certificate or revocation list of the config ends', 'notAfterAt'),
  ];
}
