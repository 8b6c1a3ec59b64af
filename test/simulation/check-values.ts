import { fingerprints } from '../../lib/domain/fingerprint.ts';
import type { Link } from '../../lib/domain/link.ts';
import { otherSystem, type RecordRef, refKey, type System } from '../../lib/domain/record.ts';
import { type Cell, canonical, formOf, type Row, type Value } from '../../lib/mappings/mapping.ts';
import type { Notebook } from './checks.ts';
import {
  bothCells,
  type Ending,
  everOpposite,
  isOpen,
  type Linked,
  namesRow,
  type Standing,
  sameOnce,
  sideOf,
} from './ending.ts';
import { sameLines } from './lines-compare.ts';
import { describe, type Happening, isFromAYoungPicture } from './truth.ts';

/** Both sides hold the same at the end, and every value that a user typed is there or accounted for. */
export function checkValues(ending: Ending, notebook: Notebook): void {
  for (const linked of ending.links)
    if (linked.customcrm.isLiving && linked.wave.isLiving) checkConvergence(ending, linked, notebook);
  for (const linked of ending.links) checkLosers(ending, linked, notebook);
  for (const standing of ending.records) checkTyped(ending, standing, notebook);
}

function checkConvergence(ending: Ending, linked: Linked, { look, except }: Notebook): void {
  for (const row of ending.world.truth.rowsOf(linked.link.pair)) {
    const customcrm = ending.cell(row, 'customcrm', linked.customcrm.body);
    const wave = ending.cell(row, 'wave', linked.wave.body);
    if (!customcrm || !wave || !applies(ending, linked, row, wave)) continue;
    const about = `${row.id} of ${linked.customcrm.key} and ${linked.wave.key}: ${shown(customcrm)} and ${shown(wave)}`;
    const check =
      row.id.endsWith('Amount') || row.id.startsWith('Amount') ? 'money to the cent' : 'convergence';
    if (agree(ending, row, customcrm, wave)) look(check);
    else if (isLeftAlone(linked, row)) {
      except('one-way row left alone after it was put back once', about);
      look(check);
    } else if (neverSent(ending, linked, row)) {
      except('filledAtFirstLink', about);
      look(check);
    } else if (sameOnce(ending, row, customcrm, wave)) {
      except('referenceMoved', about);
      look(check);
    } else if (namesRow(linked, row.id)) {
      except(
        `shown on the link: ${linked.link.reasons.find((reason) => reason.startsWith(`${row.id}: `))?.slice(row.id.length + 2)}`,
        about,
      );
      look(check);
    } else look(check, `${about}; ${linked.link.state} ${linked.link.reasons.join('; ')}`);
  }
}

/** The receiving side was put back once and changed again: shown as a recorded difference. */
const isLeftAlone = ({ link }: Linked, row: Row): boolean =>
  row.direction !== 'both' &&
  link.agreed.reverted[row.id] !== undefined &&
  link.reasons.includes(`${row.id}: ${recorded}`);

const recorded = 'recorded difference';

/** The sending side of a one-way row is empty, and nothing was ever sent of it by this link: what the other one holds, its user typed, or a counterpart of before, and it is not erased. */
function neverSent(ending: Ending, linked: Linked, row: Row): boolean {
  if (row.direction === 'both' || !linked.link.reasons.includes(`${row.id}: ${recorded}`)) return false;
  const sender = row.direction === 'toWave' ? 'customcrm' : 'wave';
  const linkedAt = ending.world.store.linkedAt(linked.link.id) ?? 0;
  const isEmptyIn = (system: System, body: Standing['body']): boolean => {
    const cell = ending.cell(row, system, body);
    return !cell || isEmpty(cell);
  };
  return (
    isEmptyIn(sender, sideOf(linked, sender).body) &&
    sideOf(linked, otherSystem(sender)).happenings.every(
      ({ by, rows, after, system, at }) =>
        by.who !== 'engine' || at < linkedAt || !rows.includes(row.id) || isEmptyIn(system, after),
    )
  );
}

const shown = ({ form }: Cell): string => JSON.stringify(form).slice(0, 400);

function applies({ world }: Ending, { link, customcrm, wave }: Linked, row: Row, cell: Cell): boolean {
  const owner = row.rules.waveCellOf ?? row.id;
  const prints = fingerprints(world.settings.keys, link.id);
  const waveCellIsOurs = prints.compare(link.agreed.wave[owner], owner, cell.form) === 'same';
  return (
    row.rules.applies?.({
      customcrm: customcrm.body,
      wave: wave.body,
      facts: world.truth.facts,
      waveCellIsOurs,
    }) ?? true
  );
}

/** Equal after conversion, or Wave's life cycle is ahead. */
const agree = ({ same }: Ending, row: Row, customcrm: Cell, wave: Cell): boolean =>
  same(row, customcrm, wave) ||
  (row.rules.ratchet !== undefined && customcrm.value !== 'draft' && wave.value === 'draft');

/** What lost a conflict was a user's value; or one that we wrote, and the system spelled otherwise, by a create without an answer. */
function checkLosers(ending: Ending, linked: Linked, { look, except }: Notebook): void {
  for (const { row: id, system, value } of ending.losers(linked)) {
    const row = ending.world.truth.rowsOf(linked.link.pair).find((each) => each.id === id);
    if (row?.direction !== 'both') continue;
    // The log and the values outlive a link: they may be of a record that one of these was linked with before, or that had been linked with that.
    const before = (ref: RecordRef): readonly Happening[] => everOpposite(ending, ref);
    const here = [
      ...linked.customcrm.happenings,
      ...before(linked.wave.ref),
      ...before(linked.customcrm.ref).flatMap(before),
    ];
    const there = [
      ...linked.wave.happenings,
      ...before(linked.customcrm.ref),
      ...before(linked.wave.ref).flatMap(before),
    ];
    const lost: Cell = { value: value as Value, form: formOf(row, value as Value, ending.world.truth.facts) };
    const wasTyped = typedIn(
      ending,
      row,
      system,
      system === 'customcrm' ? here : there,
      ({ form }) => form === lost.form,
    );
    const isOurs = typedIn(ending, row, otherSystem(system), system === 'customcrm' ? there : here, (typed) =>
      [agree, sameOnce].some((same) => same(ending, row, ...bothCells(system, lost, typed))),
    );
    const isForgotten = wasWrittenWhileForgotten(
      ending,
      row,
      system,
      system === 'customcrm' ? here : there,
      lost,
    );
    const isDerived = wasCreatedWith(ending, row, system, system === 'customcrm' ? here : there, lost);
    const about = `${id} of ${sideOf(linked, system).key}: ${canonical(value as Value)}`;
    // Of its former counterpart: to the one that a person linked it with now it is its own.
    const isOfAnother = ending.world.decided.some(
      ({ what, about: refs }) =>
        /link/.test(what) && (refs.includes(linked.customcrm.key) || refs.includes(linked.wave.key)),
    );
    if (!wasTyped && (isDerived || isOfAnother)) except('derivedWrite', about);
    else if (!wasTyped && isForgotten) except('forgottenByRestore', about);
    look(
      'losers were typed',
      wasTyped || isOurs || isForgotten || isDerived || isOfAnother ? undefined : about,
    );
  }
}

/** It stood in a record of ours from its beginning: as we sent it, or as its system filled it in. */
const wasCreatedWith = (
  { cell }: Ending,
  row: Row,
  system: System,
  happenings: readonly Happening[],
  lost: Cell,
): boolean =>
  happenings.some(
    ({ by, did, after }) =>
      by.who === 'engine' && did === 'created' && cell(row, system, after)?.form === lost.form,
  );

/** We wrote it ourselves, in the time that a restored table does not know of: to it, this is a change by somebody. */
const wasWrittenWhileForgotten = (
  { world: { restored }, cell }: Ending,
  row: Row,
  system: System,
  happenings: readonly Happening[],
  lost: Cell,
): boolean =>
  restored !== undefined &&
  happenings.some(
    ({ by, at, rows, after }) =>
      by.who === 'engine' &&
      at > restored.from &&
      at < restored.at &&
      rows.includes(row.id) &&
      cell(row, system, after)?.form === lost.form,
  );

/** Did a user type such a value into this row? */
const typedIn = (
  ending: Ending,
  row: Row,
  system: System,
  happenings: readonly Happening[],
  isIt: (typed: Cell) => boolean,
): boolean =>
  happenings.some(({ by, rows, after }) => {
    const cell = by.who === 'user' && rows.includes(row.id) ? ending.cell(row, system, after) : undefined;
    return cell !== undefined && isIt(cell);
  });

/** Every value that a user typed into a row that flows. */
function checkTyped(ending: Ending, standing: Standing, notebook: Notebook): void {
  const { system, pair } = standing.ref;
  const rows = ending.world.truth.rowsOf(pair);
  for (const happening of standing.happenings) {
    if (happening.by.who !== 'user' || (happening.did !== 'created' && happening.did !== 'edited')) continue;
    for (const row of rows) {
      // What was typed on the sending side of a one-way row stands there, whatever becomes of it on the other.
      const mayLose =
        row.direction === 'both' || row.direction === (system === 'wave' ? 'toWave' : 'toCustomcrm');
      if (!mayLose || row.rules.ratchet || !happening.rows.includes(row.id)) continue;
      const cell = ending.cell(row, system, happening.after);
      if (!cell || (happening.did === 'created' && isEmpty(cell))) continue;
      const fault = faultOf(ending, standing, happening, row, cell, notebook);
      notebook.look('no silent loss', fault);
      if (isDisjoint(ending, happening)) notebook.look('disjoint edits both live', fault);
    }
  }
}

/** Edits of two people within this time, of one linked record in both systems, are at once, ms. */
const atOnceMs = 45_000;

/** Was somebody in the other system at other rows of the same record, at the same time? */
const isDisjoint = (ending: Ending, happening: Happening): boolean =>
  everOpposite(ending, happening).some(
    ({ at, by, did, rows }) =>
      by.who === 'user' &&
      did === 'edited' &&
      Math.abs(at - happening.at) < atOnceMs &&
      !rows.some((row) => happening.rows.includes(row)),
  );

/** What is wrong with how a typed value ended, or undefined. */
function faultOf(
  ending: Ending,
  standing: Standing,
  happening: Happening,
  row: Row,
  typed: Cell,
  { except }: Notebook,
): string | undefined {
  const later = standing.happenings.some(
    (other) => other.order > happening.order && other.by.who === 'user' && other.rows.includes(row.id),
  );
  if (later || !standing.isLiving) return undefined;
  const own = ending.cell(row, standing.ref.system, standing.body);
  if (own?.form === typed.form) return undefined;
  const linked = ending.linkOf(standing.ref);
  if (!linked)
    return wasLinked(ending, standing)
      ? undefined
      : `${row.id} of ${describe(happening)} is gone, and nothing was linked`;
  const account = accountFor(ending, linked, happening, row, typed);
  if (account) except(account, `${row.id}=${shown(typed)} of ${describe(happening)}`);
  return account !== undefined
    ? undefined
    : `${row.id}=${shown(typed)} of ${describe(happening)} is lost: ${own && shown(own)} is there; ${linked.link.state} ${linked.link.reasons.join('; ')}`;
}

const wasLinked = ({ world }: Ending, { key }: Standing): boolean =>
  world.store.everLinkedWith(key).length > 0;

/** Why this value is not in its own system any more: undefined when nobody can say, '' when it is nothing special. */
function accountFor(
  ending: Ending,
  linked: Linked,
  happening: Happening,
  row: Row,
  typed: Cell,
): string | undefined {
  const { system } = happening;
  const own = ending.cell(row, system, sideOf(linked, system).body);
  if (own && sameSide(row, typed, own)) return '';
  if (replacedKnowingly(ending, happening, row, typed)) return '';
  const lost = ending.losers(linked).some(
    (loser) =>
      loser.row === row.id &&
      loser.system === system &&
      (canonical(loser.value as never) === canonical(typed.value) ||
        // By then the other system had filled in what the user left open.
        filledIn(ending, row, typed, { value: loser.value as never, form: '' })),
  );
  if (lost) return '';
  if (namesRow(linked, row.id)) return '';
  if (row.id === 'Active' && wentWithIts(ending, happening)) return 'archivedAfterDeletion';
  if (isEmpty(typed) && row.direction !== 'both') return 'restoredEmpty';
  if (isEmpty(typed) && row.rules.emptyInWave === 'restore') return 'restoredEmpty';
  if (isEmpty(typed) && row.rules.required) return 'restoredEmpty';
  if (
    isEmpty(typed) &&
    (neverAgreed(ending, linked, happening, row) || isBeforeItsLink(ending, linked, happening))
  )
    return 'filledAtFirstLink';
  if (isEmpty(typed) && agreementForgotten(ending, linked, happening, row)) return 'forgottenByRestore';
  if (own && filledIn(ending, row, typed, own)) return 'defaultWrittenBack';
  if (namesParents.has(row.id) && wasLinkedOtherwise(ending)) return 'referenceMoved';
  if (typedBack(ending, linked, happening, row, typed)) return 'typedBackToAgreed';
  if (typedBackToBackup(ending, happening, row, typed)) return 'forgottenByRestore';
  if (undoneUnseen(ending, happening, row, typed)) return 'undoneUnseen';
  if (typedWhatWasUnderWay(ending, happening, row, typed)) return 'typedBackToAgreed';
  if (typedWhatLagged(ending, happening, row, typed)) return 'typedWhatLagged';
  return lostInGap(ending, happening, row, typed) ? 'editInGap' : undefined;
}

export const namesParents: ReadonlySet<string> = new Set(['CustomerId', 'Lines']);

/** A person has linked some parent with another record: what the invoice names is that one now. */
export const wasLinkedOtherwise = ({ world }: Ending): boolean =>
  world.decided.some(({ what, about }) => /link/.test(what) && about.some((key) => !key.includes('#order#')));

const sameSide = (row: Row, typed: Cell, own: Cell): boolean =>
  typed.form === own.form ||
  (row.conversion.same?.(typed.value, own.value, {
    settings: {} as never,
    taxes: [],
    waveIdOf: () => undefined,
    customcrmIdOf: () => undefined,
  }) ??
    false);

/** What the user left open was filled in by the other system, and nothing else is different. */
const filledIn = ({ world }: Ending, row: Row, typed: Cell, own: Cell): boolean =>
  row.id === 'Lines' && sameLines(world.store, typed, own);

export const isEmpty = ({ form }: Cell): boolean => form === '' || form === 'null';

/** This value stood in the other system, in one that was its counterpart at some time, and a later user there typed another. */
function replacedKnowingly(ending: Ending, happening: Happening, row: Row, typed: Cell): boolean {
  const other: System = otherSystem(happening.system);
  const arrived = new Map<string, boolean>();
  for (const { id, order, by, rows, after } of everOpposite(ending, happening)) {
    const cell = ending.cell(row, other, after);
    if (!cell) continue;
    const cells = bothCells(happening.system, typed, cell);
    const isThere = agree(ending, row, ...cells) || sameOnce(ending, row, ...cells);
    if (order < happening.order) arrived.set(id, isThere);
    else if (arrived.get(id) && by.who === 'user' && rows.includes(row.id)) return true;
    else if (isThere) arrived.set(id, true);
  }
  return false;
}

/**
 * The product was taken out of use because its counterpart was deleted, before it was linked with the one it has now; or with its own
 * deletion, which a restored table has forgotten.
 */
const wentWithIts = (ending: Ending, happening: Happening): boolean =>
  [
    ...everOpposite(ending, happening),
    ...(ending.world.restored ? ending.world.truth.of(happening) : []),
  ].some(({ did, order }) => did === 'deleted' && order > happening.order);

/**
 * Since they were linked, both sides never held the same before it was emptied while anybody could note it: a first link fills what is
 * empty, and erases nothing.
 */
function neverAgreed(ending: Ending, linked: Linked, happening: Happening, row: Row): boolean {
  const { system, order } = happening;
  const linkedAt = ending.world.store.linkedAt(linked.link.id) ?? 0;
  const cells: Partial<Record<System, Cell>> = {};
  const differ = () => {
    const { [system]: own, [otherSystem(system)]: opposite } = cells;
    return !own || !opposite || !ending.sameInPlain(row, ...bothCells(system, own, opposite));
  };
  const { store, settings } = ending.world;
  const writes = store.linkWritten(refKey(linked.customcrm.ref));
  // In one and the same moment nobody has read it.
  const isNoted = (from: number, until: number) =>
    until > from &&
    writes.some(
      ({ at, isUnanswered }) => !isUnanswered && at >= from && at <= until + settings.maxReadToWriteMs,
    );
  const told = [linked.customcrm, linked.wave]
    .flatMap(({ happenings }) => happenings)
    .filter((other) => other.order < order)
    .sort((a, b) => a.order - b.order);
  let since = linkedAt;
  for (const other of told) {
    if (other.at >= linkedAt && !differ() && isNoted(since, other.at)) return false;
    since = Math.max(since, other.at);
    const cell = ending.cell(row, other.system, other.after);
    if (cell) cells[other.system] = cell;
  }
  return differ() || !isNoted(since, happening.at);
}

/** The link that there is was made after it: two records that a restored table, or a person, took apart have their first link again. */
const isBeforeItsLink = ({ world }: Ending, { link }: Linked, { at }: Happening): boolean =>
  at < (world.store.linkedAt(link.id) ?? 0);

/**
 * The value stood there while both sides held the same, since they were linked: typing it again changes nothing to whoever looks only
 * then, and the other side's change wins.
 */
export function typedBack(
  ending: Ending,
  linked: Linked,
  happening: Happening,
  row: Row,
  typed: Cell,
): boolean {
  const { system, order } = happening;
  const agreedAt = equalMoments(ending, linked, row, happening).findLast(
    ({ cell }) => cell.form === typed.form,
  );
  if (agreedAt === undefined) return typedWhatWasCreatedFrom(ending, linked, happening, row, typed);
  return (
    sideOf(linked, otherSystem(system)).happenings.some(
      (other) => other.order >= agreedAt.until && other.by.who === 'user' && other.rows.includes(row.id),
    ) && agreedAt.order < order
  );
}

/** Edited before its counterpart was there, both sides never held the same: agreed is what the create was made from. */
function typedWhatWasCreatedFrom(
  ending: Ending,
  linked: Linked,
  happening: Happening,
  row: Row,
  typed: Cell,
): boolean {
  const { system, order } = happening;
  const other = otherSystem(system);
  const { happenings } = sideOf(linked, other);
  const made = happenings.find(({ did, by }) => did === 'created' && by.who === 'engine');
  const cell = made && ending.cell(row, other, made.after);
  // That a write arrived whose answer did not is known to nobody.
  const unseen = unseenWrite(ending, happening, row)?.order;
  const known = equalMoments(ending, linked, row, happening).filter((moment) => moment.order !== unseen);
  if (!made || !cell || made.order > order || known.length > 0) return false;
  const isTheSame = ending.same(row, ...bothCells(system, typed, cell));
  return isTheSame && happenings.some(({ by, rows }) => by.who === 'user' && rows.includes(row.id));
}

/** To a restored table nothing was agreed in this row yet, and nobody had looked since: a first link fills what is empty. */
function agreementForgotten(
  { world: { restored, store } }: Ending,
  { customcrm }: Linked,
  { at }: Happening,
  row: Row,
): boolean {
  const link = store.revivedLink(customcrm.key)?.link as Link | undefined;
  return (
    restored !== undefined &&
    link !== undefined &&
    link.agreed.customcrm[row.id] === undefined &&
    at >= restored.at &&
    !store.linkWritten(customcrm.key).some((written) => written.at >= restored.at && written.at < at)
  );
}

interface EqualMoment {
  /** What this side held then. */
  readonly cell: Cell;
  /** The happening that made both sides equal, and the next one that touched either. */
  readonly order: number;
  readonly until: number;
}

/** When both sides held the same in this row, since they were linked and before this happened. */
function equalMoments(
  ending: Ending,
  linked: Linked,
  row: Row,
  { system, order }: Happening,
): readonly EqualMoment[] {
  const linkedAt = ending.world.store.linkedAt(linked.link.id) ?? 0;
  const told = [linked.customcrm, linked.wave]
    .flatMap(({ happenings }) => happenings)
    .filter((other) => other.did === 'created' || other.rows.includes(row.id))
    .sort((a, b) => a.order - b.order);
  const cells: Partial<Record<System, Cell>> = {};
  const moments: EqualMoment[] = [];
  for (const [index, other] of told.entries()) {
    if (other.order >= order) break;
    const cell = ending.cell(row, other.system, other.after);
    if (cell) cells[other.system] = cell;
    const { [system]: own, [otherSystem(system)]: opposite } = cells;
    const next = told[index + 1];
    const isSince = (next?.at ?? Number.POSITIVE_INFINITY) >= linkedAt;
    if (isSince && own && opposite && ending.same(row, ...bothCells(system, own, opposite)))
      moments.push({ cell: own, order: other.order, until: next?.order ?? order });
  }
  return moments;
}

/**
 * What a restored table takes for agreed was typed again: to it, nothing was changed. It may not have heard of the last edits before the
 * backup; and of a create that was under way then, it knows what was sent.
 */
export function typedBackToBackup(
  { world, cell }: Ending,
  happening: Happening,
  row: Row,
  typed: Cell,
): boolean {
  const { restored } = world;
  if (!restored || happening.at < restored.from) return false;
  const before = world.truth
    .of(happening)
    .filter(({ at, rows }) => at <= restored.from && rows.includes(row.id));
  const lastAgreed = before.findLastIndex(({ by }) => by.who === 'engine');
  const sentThen = world.truth
    .of(happening)
    .filter(({ at, by, did }) => at > restored.from && did === 'created' && by.who === 'engine');
  return [...before.slice(Math.max(0, lastAgreed)), ...sentThen].some(
    ({ after }) => cell(row, happening.system, after)?.form === typed.form,
  );
}

/**
 * A write arrived whose answer did not, and before anybody saw that, a user put back what had stood there: the picture of a write that
 * never arrived. Or in the record that it was made from: and the system where it arrived spells it in its own way, which looks typed.
 */
function undoneUnseen(ending: Ending, happening: Happening, row: Row, typed: Cell): boolean {
  const before = unseenWrite(ending, happening, row);
  const isUndone =
    before?.before !== undefined && ending.cell(row, happening.system, before.before)?.form === typed.form;
  const last = everOpposite(ending, happening).findLast(
    ({ order, rows }) => order < happening.order && rows.includes(row.id),
  );
  const stood = last?.before && ending.cell(row, last.system, last.before);
  const isUnseen =
    last?.by.who === 'engine' && last.by.attempt && isOpen(ending, last.by.attempt, happening.at);
  return (
    isUndone || Boolean(isUnseen && stood && ending.same(row, ...bothCells(happening.system, typed, stood)))
  );
}

/** What stood in this row, before its user typed perhaps more than once, was our own write, and nobody knew yet that it had arrived. */
function unseenWrite(ending: Ending, happening: Happening, row: Row): Happening | undefined {
  const touching = ending.world.truth.of(happening).filter(({ rows }) => rows.includes(row.id));
  const before = touching.findLast(({ by, order }) => by.who === 'engine' && order < happening.order);
  if (before?.by.who !== 'engine' || !before.by.attempt) return undefined;
  return isOpen(ending, before.by.attempt, happening.at) ? before : undefined;
}

/** A write of ours, about which nobody knew yet what had come of it, was to bring this very value: to the engine it has arrived. */
function typedWhatWasUnderWay(ending: Ending, happening: Happening, row: Row, typed: Cell): boolean {
  const key = refKey(happening);
  return ending.world.attempts.some((attempt) => {
    if (!attempt.ref || !attempt.next || refKey(attempt.ref) !== key) return false;
    const put = attempt.paths.includes(row[happening.system])
      ? ending.cell(row, happening.system, attempt.next)
      : undefined;
    // In a restored table it is under way again, when it was at the time of the backup.
    const { restored } = ending.world;
    const isOpenAgain =
      restored !== undefined &&
      happening.at > restored.from &&
      attempt.at <= restored.from &&
      isOpen(ending, attempt, restored.from);
    const isUnderWay = isOpenAgain || isOpen(ending, attempt, happening.at);
    return put !== undefined && put.form === typed.form && isUnderWay;
  });
}

/** The other system had just replaced this very value, and may still have shown it: both looked equal, and then only the other one changed. */
function typedWhatLagged(ending: Ending, happening: Happening, row: Row, typed: Cell): boolean {
  const { system, order, at } = happening;
  return (
    ending.world.wires.faults.has('readLag') &&
    everOpposite(ending, happening).some((other) => {
      if (other.order > order || at - other.at > lagMs || !other.rows.includes(row.id) || !other.before)
        return false;
      const cell = ending.cell(row, otherSystem(system), other.before);
      return cell !== undefined && agree(ending, row, ...bothCells(system, typed, cell));
    })
  );
}

/** A lagging read shows what stood there this long ago, at most, ms. */
const lagMs = 30_000;

/** The engine wrote over it on the strength of a read that did not show it yet, and was not older than it may be. */
export function lostInGap(ending: Ending, happening: Happening, row: Row, typed: Cell): boolean {
  const { system } = happening;
  if (system !== 'wave') return false;
  const next = ending.world.truth
    .of(happening)
    .find(({ order, rows }) => order > happening.order && rows.includes(row.id));
  if (next?.by.who !== 'engine' || !next.by.attempt?.basis) return false;
  const { basis, read } = next.by.attempt;
  if (!read || ending.cell(row, system, basis)?.form === typed.form) return false;
  const shownFrom = read.shownFrom - (ending.world.wires.faults.has('readLag') ? lagMs : 0);
  return happening.at >= shownFrom && isFromAYoungPicture(next.by.attempt);
}
