import { otherSystem } from '../../lib/domain/record.ts';
import { typedBack } from './check-values.ts';
import type { Notebook } from './checks.ts';
import { bothCells, type Ending, everOpposite, type Linked, namesRow, sameOnce } from './ending.ts';
import type { FaultName } from './faults.ts';
import { describe } from './truth.ts';

/** Faults that only change when, how often and in which order something is heard of. */
const onlyOrder: ReadonlySet<FaultName> = new Set([
  'delivery repeated',
  'delivery delayed',
  'webhookRepeated',
  'webhookDelayed',
  'transactionConflict',
  'wholeSeconds',
]);
/** Faults by which a change is never heard of: one sweep brings it. */
const onlyLoss: ReadonlySet<FaultName> = new Set([
  'webhookDropped',
  'pollFails',
  'queueFailsBefore',
  'queueFailsAfter',
]);
/** Polls, delays and a dropped webhook take less than this to arrive, ms. */
const farApartMs = 15 * 60_000;

/**
 * Whatever the order in which changes are heard of, and whichever of them are not heard of before a sweep: what a user typed into a row that nobody had touched for a while stands in both
 * systems at the end, when nobody typed anything into it afterwards.
 */
export function checkOrder(ending: Ending, notebook: Notebook): void {
  const { faults } = ending.world.wires;
  if (![...faults.on].every((name) => onlyOrder.has(name) || onlyLoss.has(name))) return;
  const check = [...faults.on].some((name) => onlyLoss.has(name)) ? 'loss freedom' : 'order freedom';
  for (const linked of ending.links)
    if (linked.customcrm.isLiving && linked.wave.isLiving) checkRows(ending, linked, check, notebook);
}

function checkRows(ending: Ending, linked: Linked, check: string, { look, except }: Notebook): void {
  const { customcrm, wave, link } = linked;
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
    if (last?.did !== 'edited' || (before && last.at - before.at < farApartMs)) continue;
    const typed = ending.cell(row, last.system, last.after);
    const opposite = last.system === 'wave' ? customcrm : wave;
    const there = ending.cell(row, otherSystem(last.system), opposite.body);
    if (!typed || !there || typed.form === '' || typed.form === 'null') continue;
    const cells = bothCells(last.system, typed, there);
    const arrived = ending.same(row, ...cells) || sameOnce(ending, row, ...cells);
    if (!arrived && typedBack(ending, linked, last, row, typed)) {
      except('typedBackToAgreed');
      continue;
    }
    look(check, arrived ? undefined : `${row.id} of ${describe(last)} did not arrive`);
  }
}
