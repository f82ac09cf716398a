/** Lengths of time and instants, as people read them. */

function secondsBetween(from: string, to: string): number {
  return (Date.parse(to) - Date.parse(from)) / 1000;
}

/** @param now by the clock that the instant is of */
export function ago(instant: string, now: string): string {
  return `${duration(secondsBetween(instant, now))} ago`;
}

export function until(instant: string, now: string): string {
  const seconds = secondsBetween(now, instant);
  return seconds > 0 ? `in ${duration(seconds)}` : 'now';
}

/** The two largest units: `2d 3h`, `59m 5s`, `0s`. */
export function duration(seconds: number): string {
  const whole = Math.max(0, Math.round(seconds));
  const counts = [Math.floor(whole / 86_400), Math.floor(whole / 3_600) % 24, Math.floor(whole / 60) % 60, whole % 60];
  const parts = counts.map((count, unit) => ({ count, text: `${count}${'dhms'[unit]}` }));
  const first = parts.findIndex(({ count }) => count > 0);
  const shown = parts.slice(first === -1 ? 3 : first).slice(0, 2);
  return shown
    .filter(({ count }, at) => at === 0 || count > 0)
    .map(({ text }) => text)
    .join(' ');
}
