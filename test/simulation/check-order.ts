import { otherSystem } from '../../lib/domain/record.ts';
import { lostInGap, namesParents, typedBack, wasLinkedOtherwise } from './check-values.ts';
import type { CheckName, Notebook } from './checks.ts';
import { bothCells, type Ending, everOpposite, type Linked, namesRow, sameOnce } from './ending.ts';
import { isOnly } from './faults.ts';
import { describe, type Happening } from './truth.ts';

/** Polls, delays and a dropped webhook take less than this to arrive, ms. */
const farApartMs = 15 * 60_000;
/** Who writes a link goes on to its first agreement within this time, ms, unless it is killed. */
const firstAgreementMs = 60_000;

/**
 * Whatever the order in which changes are heard of, and whichever of them are not heard of before a sweep: what a user typed into a row that nobody had touched for a while stands in both
 * systems at the end, when nobody typed anything into it afterwards.
 */
export function checkOrder(ending: Ending, notebook: Notebook): void {
  const { on } = ending.world.wires.faults;
  const check = isOnly(on, 'order') ? 'order freedom' : isOnly(on, 'loss') ? 'loss freedom' : undefined;
  if (check === undefined) return;
  for (const linked of ending.links)
    if (linked.customcrm.isLiving && linked.wave.isLiving) checkRows(ending, linked, check, notebook);
}

function checkRows(ending: Ending, linked: Linked, check: CheckName, { look, except }: Notebook): void {
  const { customcrm, wave, link } = linked;
  const linkedAt = ending.world.store.linkedAt(link.id) ?? 0;
  const told = [customcrm, wave].flatMap(({ ref, happenings }) => [
    ...happenings,
    ...everOpposite(ending, ref).filter((other) => other.id !== customcrm.ref.id && other.id !== wave.ref.id),
  ]);
  for (const row of ending.world.truth.rowsOf(link.pair)) {
    if (row.direction !== 'both' || row.rules.ratchet || namesRow(linked, row.id)) continue;
    const edits = told
      .filter(({ by, rows }) => by.who === 'user' && rows.includes(row.id))
      .sort((a, b) => a.order - b.order);
    const last = edits.at(-1);
    const before = edits.at(-2);
    // What was typed while one of the two was linked with another record arrived there.
    const isOfThese = last?.id === customcrm.ref.id || last?.id === wave.ref.id;
    if (last?.did !== 'edited' || !isOfThese || last.at < linkedAt) continue;
    if (before && last.at - before.at < farApartMs) continue;
    const typed = ending.cell(row, last.system, last.after);
    const opposite = last.system === 'wave' ? customcrm : wave;
    const there = ending.cell(row, otherSystem(last.system), opposite.body);
    if (!typed || !there || typed.form === '' || typed.form === 'null') continue;
    const cells = bothCells(last.system, typed, there);
    const arrived = ending.same(row, ...cells) || sameOnce(ending, row, ...cells);
    if (!arrived && typedBack(ending, linked, last, row, typed)) {
      except('typedBackToAgreed', `${row.id} of ${describe(last)}`);
      continue;
    }
    if (!arrived && lostInGap(ending, last, row, typed)) {
      except('editInGap', `${row.id} of ${describe(last)}`);
      continue;
    }
    if (!arrived && before && decidedByPolicy(ending, linked, before, last, row.id)) {
      except('decidedByPolicy', `${row.id} of ${describe(last)}`);
      continue;
    }
    if (
      !arrived &&
      namesParents.has(row.id) &&
      wasLinkedOtherwise(ending) &&
      isKept(ending, linked, last, row.id)
    ) {
      except('referenceMoved', `${row.id} of ${describe(last)}`);
      continue;
    }
    look(check, arrived ? undefined : `${row.id} of ${describe(last)} did not arrive`);
  }
}

/** The edit of the other side before it was not heard of until then: of two that are read at once the policy picks one, and the other is kept. */
function decidedByPolicy(
  ending: Ending,
  linked: Linked,
  before: Happening,
  last: Happening,
  row: string,
): boolean {
  const { conflict, firstLink } = ending.world.settings;
  const { id, pair } = linked.link;
  const policy = conflict(pair, row);
  // Before both sides have agreed for the first time it is the policy of first links that picks.
  const isFirst = last.at - (ending.world.store.linkedAt(id) ?? 0) < firstAgreementMs;
  const first = isFirst ? firstLink(pair, row) : undefined;
  return (
    before.system !== last.system &&
    (policy === before.system ||
      (policy === 'latest' && wasOpen(ending, linked, before, last, row)) ||
      first === before.system ||
      first === 'latest') &&
    isKept(ending, linked, last, row)
  );
}

/** `latest` goes by sides while something stays open: here the side of the last edit had changed before the other one, in a row that still differs. */
function wasOpen(
  ending: Ending,
  { customcrm, wave, link }: Linked,
  before: Happening,
  last: Happening,
  row: string,
): boolean {
  const { happenings } = last.system === 'wave' ? wave : customcrm;
  const changedFirst = happenings.some(({ by, order }) => by.who === 'user' && order < before.order);
  return (
    changedFirst &&
    ending.world.truth.rowsOf(link.pair).some((other) => {
      const here = ending.cell(other, 'customcrm', customcrm.body);
      const there = ending.cell(other, 'wave', wave.body);
      return other.id !== row && here && there && !ending.same(other, here, there);
    })
  );
}

const isKept = (ending: Ending, linked: Linked, { system, at }: Happening, row: string): boolean =>
  ending.losers(linked).some((loser) => loser.row === row && loser.system === system && loser.at > at);
