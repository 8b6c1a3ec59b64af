import type { Policies, RowState, Side } from '../../lib/domain/plan.ts';

/** A side that shows a value, empty or not, against what was agreed for it. */
export const shows = (change: 'same' | 'changed' | 'none', empty = false): Side => ({
  known: true,
  empty,
  change,
});
export const unseen: Side = { known: false };

/** A two-way row whose sides differ, both as they were agreed. */
export function rowState(parts: Partial<RowState> = {}): RowState {
  return {
    id: 'City',
    direction: 'both',
    customcrm: shows('same'),
    wave: shows('same'),
    equal: false,
    applies: true,
    irreversible: false,
    emptyInWave: 'allow',
    required: false,
    revertedBefore: false,
    keptApart: false,
    ...parts,
  };
}

/** The defaults of the product: latest, hold, and no change ever observed. */
export const policiesOf = (parts: Partial<Policies> = {}): Policies => ({
  conflict: () => 'latest',
  firstLink: () => 'hold',
  observed: {},
  ...parts,
});
