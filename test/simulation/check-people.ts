import { otherSystem, refKey, systems } from '../../lib/domain/record.ts';
import { typedBackToBackup } from './check-values.ts';
import type { Notebook } from './checks.ts';
import { type Ending, everOpposite, type Linked, sideOf } from './ending.ts';
import { robotValues } from './robots.ts';
import { describe, type Happening, setOut } from './truth.ts';

/** What people decided, by what they typed or by the policies that they chose. */
export function checkPeople(ending: Ending, notebook: Notebook): void {
  checkTwins(ending, notebook);
  for (const happening of ending.world.truth.all()) checkEditBeatsDeletion(ending, happening, notebook);
  for (const linked of ending.links) {
    checkPolicy(ending, linked, notebook);
    checkLoops(ending, linked, notebook);
  }
}

/** By then what two people typed alike is known to the polls, also where lists lag, ms. */
const knownAfterMs = 2 * 60_000;

/** A customer or product that two people typed is one: once both are known, neither gets another counterpart. */
function checkTwins(ending: Ending, { look }: Notebook): void {
  const { world } = ending;
  // Who is restored, blind, or never reads, cannot know.
  if (world.restored || world.wires.faults.has('noRights') || world.wires.faults.has('pollFails')) return;
  for (const twins of world.twins) {
    const [first, second] = twins.map((ref) => world.truth.of(ref)[0]);
    if (!first || !second) continue;
    const knownAt = Math.max(first.at, second.at) + knownAfterMs;
    for (const ref of twins) {
      const other = twins.find((each) => each !== ref) ?? ref;
      const made = world.truth
        .all()
        .find(({ by, did }) => did === 'created' && by.who === 'engine' && isFor(by.attempt?.origin, ref));
      const isLate = made !== undefined && setOut(made) > knownAt;
      const isWrong = isLate && isAlike(ending, ref, other, setOut(made));
      look('twins meet', isWrong ? `${refKey(ref)} and ${refKey(other)}, but ${describe(made)}` : undefined);
    }
  }
}

const isFor = (
  origin: Parameters<typeof refKey>[0] | undefined,
  ref: Parameters<typeof refKey>[0],
): boolean => origin !== undefined && refKey(origin) === refKey(ref);

/** Both were there, and still alone and the same by their keys, at this time. */
function isAlike(
  { world }: Ending,
  ref: Happening | Parameters<typeof refKey>[0],
  other: Parameters<typeof refKey>[0],
  at: number,
): boolean {
  const touched = [ref, other].some((each) =>
    world.truth.of(each).some((happening) => {
      if (happening.at > at) return false;
      return (
        happening.did === 'deleted' ||
        (happening.did === 'edited' && happening.rows.some((row) => keyRows.has(row)))
      );
    }),
  );
  const wasLinked = [ref, other].some((each) =>
    world.store.linksOf(refKey(each)).some(({ madeAt }) => madeAt <= at),
  );
  const wasDecided = world.decided.some(
    ({ about, at: saidAt }) => saidAt <= at && [ref, other].some((each) => about.includes(refKey(each))),
  );
  return !touched && !wasLinked && !wasDecided;
}
const keyRows = new Set(['Name', 'Email', 'Number', 'Active']);

/** What its user changed after its counterpart was deleted is not taken along with it, once that was read. */
function checkEditBeatsDeletion(ending: Ending, happening: Happening, { look }: Notebook): void {
  const { by, did, system, pair } = happening;
  const basis = by.who === 'engine' ? by.attempt?.basis : undefined;
  const isAftermath =
    did === 'deleted' ||
    (did === 'edited' &&
      ((pair === 'product' && happening.rows.includes('Active')) ||
        (pair === 'order' && happening.after.Status === 'cancelled')));
  if (!basis || !isAftermath) return;
  const gone = everOpposite(ending, happening).findLast(({ order }) => order < happening.order);
  if (gone?.did !== 'deleted') return;
  const atDeletion = ending.world.truth.lastAt(happening, gone.at)?.after ?? {};
  const ours =
    ending.world.truth
      .of(happening)
      .findLast(({ by: who, order }) => who.who === 'engine' && order < gone.order)?.after ?? {};
  const sends = ending.world.truth
    .rowsOf(pair)
    .filter(
      ({ direction }) => direction === 'both' || direction === (system === 'wave' ? 'toCustomcrm' : 'toWave'),
    );
  const edit = ending.world.truth.of(happening).find(
    (each) =>
      each.by.who === 'user' &&
      each.did === 'edited' &&
      each.order > gone.order &&
      each.order < happening.order &&
      !undoesOurs(ending, each, gone) &&
      sends.some((row) => {
        const typed = ending.cell(row, system, each.after);
        return (
          each.rows.includes(row.id) &&
          typed?.form === ending.cell(row, system, basis)?.form &&
          // What stood there when its counterpart was deleted, and stands there again, is no edit to whoever looks only then.
          ending.cell(row, system, atDeletion)?.form !== ending.cell(row, system, basis)?.form &&
          // Nor is what we had put there ourselves, and its user has typed back.
          ending.cell(row, system, ours)?.form !== ending.cell(row, system, basis)?.form &&
          !(typed && typedBackToBackup(ending, each, row, typed))
        );
      }),
  );
  look('an edit beats a deletion', edit ? `${describe(edit)}, and yet ${describe(happening)}` : undefined);
}

/** What had gone out of use by us is put back before our write was answered: whoever reads it sees what was agreed. */
const undoesOurs = ({ world }: Ending, edit: Happening, gone: Happening): boolean =>
  world.truth
    .of(edit)
    .some(
      ({ by, rows, order }) =>
        by.who === 'engine' &&
        order > gone.order &&
        order < edit.order &&
        rows.some((row) => edit.rows.includes(row)),
    );

/** A link is made, and what a create had sent is judged, within this time, ms. */
const linkingMs = 5_000;

/** Where one system always wins, by both policies, nothing of it ever loses. */
function checkPolicy(ending: Ending, linked: Linked, { look }: Notebook): void {
  const { settings, truth, store } = ending.world;
  const { link } = linked;
  const linkedAt = store.linkedAt(link.id) ?? 0;
  for (const { row: id, system, at } of ending.losers(linked)) {
    const row = truth.rowsOf(link.pair).find((each) => each.id === id);
    const always = settings.conflict(link.pair, id);
    const isDecided =
      (systems as readonly string[]).includes(always) && settings.firstLink(link.pair, id) === always;
    if (!isDecided || row?.direction !== 'both' || Math.abs(at - linkedAt) < linkingMs) continue;
    const wrong =
      system === always
        ? `${id} of ${sideOf(linked, system).key} lost to ${otherSystem(system)}, but ${always} wins`
        : undefined;
    look('policies decide', wrong);
  }
}

/** So many writes of one row, to and fro, pass before a person has looked; each look lets one more pass, now or after a value that is new. */
const loopMost = 8;

/** Two programs that undo each other's values through us are stopped, until a person looks, or types a value that is new. */
function checkLoops(ending: Ending, linked: Linked, { look }: Notebook): void {
  const { world } = ending;
  if (!world.wires.faults.has('robots')) return;
  for (const row of world.truth.rowsOf(linked.link.pair)) {
    const edits = systems
      .flatMap((system) => sideOf(linked, system).happenings)
      .filter(({ did, rows }) => did === 'edited' && rows.includes(row.id))
      .sort((one, other) => one.order - other.order);
    // A new link counts anew: a person's, or one after a restore.
    const links = world.store.linksOf(linked.customcrm.key).map(({ madeAt }) => madeAt);
    let looks = [...world.mended, ...links].sort((one, other) => one - other);
    let count = 0;
    let unused = false;
    for (const { by, system, after, at } of edits) {
      const isNew =
        by.who === 'user' && !robotValues.has(String(ending.cell(row, system, after)?.value ?? ''));
      const isLooked = (looks[0] ?? Number.POSITIVE_INFINITY) <= at;
      unused ||= isLooked;
      if (isLooked) count = 0;
      if (isNew) count = unused ? -1 : 0;
      looks = looks.filter((look) => look > at);
      if (by.who !== 'engine') continue;
      unused = false;
      count += 1;
      look('loops stop', count > loopMost ? `${row.id} of ${linked.customcrm.key} goes on` : undefined);
    }
  }
}
