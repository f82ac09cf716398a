/** The arithmetic of the benchmarks: quantiles, medians, spread, and what the kernel says of a process. */

/** The nearest rank: the smallest sample that the share `q` of all samples does not exceed. `samples` must be sorted. */
export function quantile(samples: Readonly<ArrayLike<number>>, q: number): number {
  if (samples.length === 0) return Number.NaN;
  // One part in 10^9 less: 0.999 * 1000 is 999.0000000000001 in some products, and would be a rank too high.
  const rank = Math.ceil(q * samples.length - 1e-9);
  return samples[Math.min(samples.length, Math.max(1, rank)) - 1] as number;
}

/** The middle one; the mean of the two in the middle where their number is even. */
export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const half = sorted.length / 2;
  return ((sorted[Math.ceil(half) - 1] as number) + (sorted[Math.floor(half)] as number)) / 2;
}

/** How far the extremes lie apart, as a share of the median. */
export function spread(values: readonly number[]): number {
  return (Math.max(...values) - Math.min(...values)) / median(values);
}

/** User and system time of a process in clock ticks, from `/proc/PID/stat` (proc(5): fields 14 and 15). */
export function cpuTicks(stat: string): number {
  // The name in field 2 may hold spaces and parentheses of its own.
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  return Number(fields[11]) + Number(fields[12]);
}

/** Microseconds of CPU for each request. */
export function cpuPerRequest(seconds: number, requests: number): number {
  return (seconds * 1e6) / requests;
}

/** Resident memory in bytes, from `/proc/PID/status`. */
export function residentBytes(status: string): number {
  return Number(/^VmRSS:\s+(\d+) kB$/m.exec(status)?.[1] ?? 0) * 1024;
}
