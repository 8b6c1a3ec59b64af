import { type ConflictPolicy, type ObservedAt, winner } from './policy.ts';
import { otherSystem, type System } from './record.ts';

/** One side of a row, as the last read showed it. Unknown: the system did not show the property. */
export type Side = { readonly known: false } | KnownSide;
interface KnownSide {
  readonly known: true;
  readonly empty: boolean;
  /** Against this side's own agreed value; `none` when nothing was agreed for it. */
  readonly change: Change;
}
type Change = 'same' | 'changed' | 'none';

/** One row of a linked record, ready to be decided. */
export interface RowState {
  readonly id: string;
  readonly direction: 'both' | 'toWave' | 'toCustomcrm';
  readonly customcrm: Side;
  readonly wave: Side;
  /** Do both sides hold the same value after conversion? */
  readonly equal: boolean;
  /** False: the row's own rule says that it does not concern this record now. */
  readonly applies: boolean;
  readonly irreversible: boolean;
  /** What to do when Customcrm empties what Wave cannot hold empty. */
  readonly emptyInWave: 'allow' | 'block' | 'restore';
  /** Customcrm cannot hold an empty one. */
  readonly required: boolean;
  /** The receiving side of this one-way row was already put back since the sending side last changed. */
  readonly revertedBefore: boolean;
  /** What was agreed is not the same on both sides: the receiving side of this one-way row had kept a value of its own. */
  readonly keptApart: boolean;
  /** Only for the life cycle of an order: where each side stands, and whether we may move Wave forward. */
  readonly lifeCycle?: {
    readonly customcrm: LifeCycle;
    readonly wave: LifeCycle;
    readonly mayAdvanceWave: boolean;
  };
}

export type LifeCycle = 'draft' | 'issued' | 'cancelled';

export interface Policies {
  readonly conflict: (row: string) => ConflictPolicy;
  readonly firstLink: (row: string) => ConflictPolicy;
  readonly observed: ObservedAt;
}

/** A row that both systems show. */
type ShownRow = RowState & { readonly customcrm: KnownSide; readonly wave: KnownSide };
const isShown = (row: RowState): row is ShownRow => row.customcrm.known && row.wave.known;

/** What to do about one row. `agree`: both sides' values are from now on the agreed ones. */
export type Verdict =
  | { readonly do: 'nothing'; readonly because: NothingBecause; readonly agree: boolean }
  | { readonly do: 'write'; readonly to: System; readonly because: WriteBecause }
  | { readonly do: 'hold'; readonly because: 'first link differs' | 'both changed' | 'irreversible' }
  | { readonly do: 'block'; readonly reason: string };

export type NothingBecause =
  | 'not applicable'
  | 'unknown'
  | 'equal'
  | 'recorded difference'
  | 'waits for the other rows';
export type WriteBecause = 'changed' | 'filled' | 'first link' | 'conflict' | 'overruled' | 'reverted';

export type Plan = ReadonlyMap<string, Verdict>;

/** Every decision that the product makes about a linked record: one verdict for each row. */
export function plan(rows: readonly RowState[], policies: Policies): Plan {
  const verdicts = new Map(rows.map((row) => [row.id, decide(row, policies)]));
  for (const row of rows) {
    const verdict = verdicts.get(row.id);
    const advances = row.lifeCycle && verdict?.do === 'write' && verdict.to === 'wave';
    if (advances && !restsOtherwise(verdicts, row.id))
      verdicts.set(row.id, nothing('waits for the other rows'));
  }
  return verdicts;
}

/** First rule that fits. */
export function decide(row: RowState, policies: Policies): Verdict {
  if (!row.applies) return nothing('not applicable');
  if (!isShown(row)) return nothing('unknown');
  const { customcrm, wave } = row;
  if (row.equal) return nothing('equal', true);
  if (row.lifeCycle) return decideLifeCycle(row.lifeCycle, customcrm.change, wave.change);
  if (row.direction !== 'both') return decideOneWay(row, row.direction === 'toWave' ? 'customcrm' : 'wave');
  if (customcrm.change === 'none' && wave.change === 'none') return decideFirstLink(row, policies);
  const customcrmChanged = hasNews(customcrm);
  const waveChanged = hasNews(wave);
  if (customcrmChanged && waveChanged) return decideConflict(row, policies);
  if (customcrmChanged) return write(row, 'wave', 'changed');
  if (waveChanged) return write(row, 'customcrm', 'changed');
  // Emptied before the first agreement on it: a first link fills.
  if (customcrm.change === 'none') return write(row, 'customcrm', 'filled');
  if (wave.change === 'none') return write(row, 'wave', 'filled');
  return nothing('recorded difference');
}

/** A value that was never agreed on this side alone is one that its system filled in; an empty one says nothing, and erases nothing. */
const hasNews = ({ change, empty }: KnownSide): boolean =>
  change === 'changed' || (change === 'none' && !empty);

function decideFirstLink(row: ShownRow, policies: Policies): Verdict {
  if (row.irreversible) return { do: 'hold', because: 'irreversible' };
  if (row.customcrm.empty) return write(row, 'customcrm', 'filled');
  if (row.wave.empty) return write(row, 'wave', 'filled');
  const kept = winner(policies.firstLink(row.id), policies.observed);
  return kept ? write(row, otherSystem(kept), 'first link') : { do: 'hold', because: 'first link differs' };
}

function decideConflict(row: ShownRow, policies: Policies): Verdict {
  const kept = winner(policies.conflict(row.id), policies.observed);
  return kept ? write(row, otherSystem(kept), 'conflict') : { do: 'hold', because: 'both changed' };
}

/** The receiving side is restored once; a system that answers another value again is left alone until the sender changes. */
function decideOneWay(row: ShownRow, sender: System): Verdict {
  const sending = row[sender].change;
  const receiving = row[otherSystem(sender)].change;
  const nothingAgreed = sending === 'none' && receiving === 'none';
  if (nothingAgreed && row[sender].empty) return nothing('recorded difference', true);
  // The sender wins in any case; what it never sent, and now replaces, is kept as a loser.
  const isNew = sending === 'none' || row.keptApart || hasNews(row[otherSystem(sender)]);
  if (sending !== 'same')
    return write(row, otherSystem(sender), nothingAgreed ? 'first link' : isNew ? 'overruled' : 'changed');
  if (receiving === 'same') return nothing('recorded difference');
  return row.revertedBefore
    ? nothing('recorded difference', true)
    : write(row, otherSystem(sender), 'reverted');
}

/** Wave's life cycle only moves forward: leaving DRAFT confirms the order, and confirming may approve the invoice. */
function decideLifeCycle(at: NonNullable<RowState['lifeCycle']>, customcrm: Change, wave: Change): Verdict {
  if (at.customcrm === 'cancelled')
    return {
      do: 'block',
      reason: 'the order is cancelled, but its invoice stays: void or delete it in Wave',
    };
  if (at.customcrm === 'draft')
    return { do: 'write', to: 'customcrm', because: wave === 'same' ? 'reverted' : 'changed' };
  return at.mayAdvanceWave && customcrm === 'changed'
    ? { do: 'write', to: 'wave', because: 'changed' }
    : nothing('recorded difference', true);
}

function write(row: ShownRow, to: System, because: WriteBecause): Verdict {
  if (to === 'wave' && row.customcrm.empty && row.emptyInWave !== 'allow') {
    return row.emptyInWave === 'block'
      ? { do: 'block', reason: `${row.id} is empty, and Wave needs one` }
      : { do: 'write', to: 'customcrm', because: 'reverted' };
  }
  if (to === 'customcrm' && row.required && row.wave.empty) {
    return { do: 'block', reason: `${row.id} is empty in Wave, and Customcrm needs one` };
  }
  return { do: 'write', to, because };
}

const nothing = (because: NothingBecause, agree = false): Verdict => ({ do: 'nothing', because, agree });

const restsOtherwise = (verdicts: Plan, id: string): boolean =>
  [...verdicts].every(([row, verdict]) => row === id || verdict.do === 'nothing');
