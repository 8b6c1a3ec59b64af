import { otherSystem, type RecordRef } from '../../lib/domain/record.ts';
import type { Row } from '../../lib/mappings/mapping.ts';
import { isEmpty, typedBack } from './check-values.ts';
import type { Notebook } from './checks.ts';
import { bothCells, type Ending, type Linked, namesRow, sameOnce, sideOf } from './ending.ts';
import { isOnly } from './faults.ts';
import { describe, type Happening } from './truth.ts';

/** A poll takes a minute, and an edit in the middle of our own write is planned again, ms. */
const promptMs = 6 * 60_000;

/**
 * Where nothing makes changes late, an edit stands in the other system a few minutes later, and not only after the next edit or sweep.
 * Of customers and products: orders wait for their parents, and are locked.
 */
export function checkPromptness(ending: Ending, { look }: Notebook): void {
  const { truth, wires, outcomes } = ending.world;
  if (!isOnly(wires.faults.on, 'punctual')) return;
  // Behind a fuse, and in a pause, changes wait for a person.
  if (ending.world.decided.length > 0 || outcomes.some(({ message }) => message === 'fuse blown')) return;
  for (const linked of ending.links)
    for (const row of truth.rowsOf(linked.link.pair)) {
      const mayWait = linked.link.pair === 'order' || row.rules.irreversible || row.id === 'TaxCodes';
      if (row.direction !== 'both' || mayWait || namesRow(linked, row.id)) continue;
      for (const edit of quietEdits(ending, linked, row)) {
        const hasArrived = arrivedInTime(ending, linked, row, edit);
        if (hasArrived === undefined) continue;
        const late = `${row.id} of ${describe(edit)} did not arrive in time`;
        look('no edit sleeps', hasArrived ? undefined : late);
      }
    }
}

/** Edits of this row since the records were linked that no other touched for a while before and after. */
function quietEdits({ world }: Ending, linked: Linked, row: Row): readonly Happening[] {
  const since = world.store.linkedAt(linked.link.id) ?? 0;
  const touching = [linked.customcrm, linked.wave]
    .flatMap(({ happenings }) => happenings)
    .filter(({ by, did, rows }) => by.who === 'user' && (did !== 'edited' || rows.includes(row.id)))
    .sort((a, b) => a.order - b.order);
  return touching.filter(({ at, did }, index) => {
    const after = touching[index + 1]?.at ?? Number.POSITIVE_INFINITY;
    const before = touching[index - 1]?.at ?? 0;
    return did === 'edited' && at > since && at > before + promptMs && after > at + promptMs;
  });
}

/** Undefined: there was nothing to bring, or it was replaced, or brought nowhere, by then; other checks look at that. */
function arrivedInTime(ending: Ending, linked: Linked, row: Row, edit: Happening): boolean | undefined {
  const { system, at, after } = edit;
  const then = (ref: RecordRef) => ending.world.truth.lastAt(ref, at + promptMs);
  const own = then(edit);
  const opposite = then(sideOf(linked, otherSystem(system)).ref);
  if (!own || !opposite || own.did === 'deleted' || opposite.did === 'deleted') return undefined;
  const typed = ending.cell(row, system, after);
  const there = ending.cell(row, otherSystem(system), opposite.after);
  const isKept = typed && ending.cell(row, system, own.after)?.form === typed.form;
  if (!isKept || !there || isEmpty(typed) || typedBack(ending, linked, edit, row, typed)) return undefined;
  const cells = bothCells(system, typed, there);
  return ending.same(row, ...cells) || sameOnce(ending, row, ...cells);
}
