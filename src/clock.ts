/** Time, timers and randomness, passed in so that tests decide what time it is. */

export interface Clock {
  /** Wall clock, milliseconds since the epoch; may step. */
  now(): number;
  /** Milliseconds from an arbitrary start; never goes back, but stands still while the host is suspended. */
  monotonic(): number;
  /** Runs `action` after `delayMs`, without keeping the process alive; the result cancels it. */
  after(delayMs: number, action: () => void): () => void;
  /** Uniform in [0, 1). */
  random(): number;
}

/** Resolves after `delayMs`. */
export function pause(clock: Clock, delayMs: number): Promise<void> {
  return new Promise((resolve) => void clock.after(delayMs, resolve));
}

/** What comes of `work`, or of `late` where that takes longer than `limitMs`: then nobody hears of it. */
export async function within<Done, Late>(clock: Clock, limitMs: number, work: Promise<Done>, late: () => Late): Promise<Done | Late> {
  const { promise: over, resolve } = Promise.withResolvers<void>();
  const cancel = clock.after(limitMs, resolve);
  try {
    return await Promise.race([work, over.then(late)]);
  } finally {
    cancel();
  }
}

/** The same clock, on which no timer can bring the process down. */
export function guarded(clock: Clock, onFault: (cause: unknown) => void): Clock {
  return {
    now: () => clock.now(),
    monotonic: () => clock.monotonic(),
    random: () => clock.random(),
    after: (delayMs, action) =>
      clock.after(delayMs, () => {
        try {
          action();
        } catch (cause) {
          onFault(cause);
        }
      }),
  };
}

/** `setTimeout` overflows at 2^31 ms (24.8 days) and would then fire at once. */
const LONGEST_TIMER_MS = 2 ** 31 - 1;

export const systemClock: Clock = {
  now: () => Date.now(),
  monotonic: () => performance.now(),
  after(delayMs, action) {
    let timer: NodeJS.Timeout;
    const arm = (leftMs: number) => {
      const stepMs = Math.min(leftMs, LONGEST_TIMER_MS);
      timer = setTimeout(() => (leftMs > stepMs ? arm(leftMs - stepMs) : action()), stepMs);
      timer.unref();
    };
    arm(Math.max(0, delayMs));
    return () => clearTimeout(timer);
  },
  random: () => Math.random(),
};
