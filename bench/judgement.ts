/** A figure beside what is promised of it. */

export interface Judgement {
  readonly what: string;
  readonly figure: string;
  readonly promised: string;
  readonly kept: boolean;
}

export function tell({ what, figure, promised, kept }: Judgement): string {
  return `${kept ? 'kept  ' : 'MISSED'} ${what}: ${figure} (promised ${promised})`;
}
