import { createHash } from 'node:crypto';
import { beginning } from './scheduler.ts';

/** What happened, line by line. Two runs of one seed write the same lines. */
export interface Trace {
  readonly note: (line: string) => void;
  /** A hash of all lines so far. */
  readonly digest: () => string;
  readonly lines: () => readonly string[];
}

/** @param keep whether the lines are kept for a reader; the hash is made in any case. */
export function traceOf(now: () => number, keep: boolean): Trace {
  const hash = createHash('sha256');
  const lines: string[] = [];
  return {
    note(text) {
      const line = `${stamp(now())} ${text}`;
      hash.update(`${line}\n`);
      if (keep) lines.push(line);
    },
    digest: () => hash.copy().digest('hex').slice(0, 16),
    lines: () => lines,
  };
}

/** Time since the beginning, `1:02:03.004`. */
export function stamp(at: number): string {
  const ms = at - beginning;
  const two = (value: number) => String(Math.floor(value)).padStart(2, '0');
  const millis = String(((ms % 1000) + 1000) % 1000).padStart(3, '0');
  return `${Math.floor(ms / 3600_000)}:${two((ms / 60_000) % 60)}:${two((ms / 1000) % 60)}.${millis}`;
}
