import type { Pair, System } from '../../lib/domain/record.ts';

/** How long after a cut a stand-in may still execute a request, ms, and some more for a slow machine. */
const lateMs = 6_000;

/** One value that a person typed into one property. Times are ms since 1970. */
export interface Typed {
  readonly tag: string;
  readonly pair: Pair;
  readonly system: System;
  readonly row: string;
  readonly form: string;
  /** Not typed, but sent along by a form that replaces a whole object; or what was there shortly before. */
  readonly weak: boolean;
  readonly from: number;
  to: number;
  /** Whether an answer confirmed it; undefined while, or because, nobody knows. */
  sure: boolean | undefined;
}

/** Everything that people did, and what they know of it. */
export interface Ledger {
  readonly typed: Typed[];
  /** Creates by tag and system that were, or may have been, executed. */
  readonly made: Map<string, number>;
  /** Tags of records that somebody removed, or may have. */
  readonly removed: Set<string>;
  /** What a system refused for good, by reason. */
  readonly refusals: Map<string, number>;
  readonly sums: { edits: number; creates: number; unknown: number; retries: number };
  readonly fresh: () => number;
}

export function openLedger(): Ledger {
  let number = 0;
  return {
    typed: [],
    made: new Map(),
    removed: new Set(),
    refusals: new Map(),
    sums: { edits: 0, creates: 0, unknown: 0, retries: 0 },
    fresh() {
      number += 1;
      return number;
    },
  };
}

/** Notes values before they are sent; call the answer with what became of them. */
export function note(ledger: Ledger, values: readonly Omit<Typed, 'from' | 'to' | 'sure'>[]) {
  const from = Date.now();
  const noted = values.map(
    (value): Typed => ({ ...value, from, to: Number.POSITIVE_INFINITY, sure: undefined }),
  );
  ledger.typed.push(...noted);
  return (did: 'done' | 'refused' | 'unknown') => {
    for (const each of noted) {
      each.to = did === 'unknown' ? Date.now() + lateMs : Date.now();
      if (did !== 'unknown') each.sure = did === 'done';
    }
  };
}

export const countIn = (counts: Map<string, number>, name: string): void =>
  void counts.set(name, (counts.get(name) ?? 0) + 1);
