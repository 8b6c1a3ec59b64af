import { type Fingerprints, fingerprints } from '../domain/fingerprint.ts';
import { type Link, refOf } from '../domain/link.ts';
import { type RecordRef, refKey, type Snapshot, type System } from '../domain/record.ts';
import { isBlank } from '../mappings/cells.ts';
import { type Cell, compareCell, type Facts, type Row, readCell } from '../mappings/mapping.ts';
import { mappings } from '../mappings/pairs.ts';
import { asksAbout } from './agree.ts';
import type { Engine } from './engine.ts';
import { isOlderThanAgreed, pictureStamp } from './lagging.ts';
import { findLink } from './links.ts';
import type { Tax } from './ports.ts';
import { isStarted, startedAt } from './started-pairs.ts';

/** A row of a list as a poll or a sweep saw it: is it news, or what we know already? */
export interface Sighting {
  readonly news: boolean;
  /** Nobody waits for it: it has no link, as before its pair was started, or somebody is at it already. */
  readonly mayWait: boolean;
  /** By what this record alone shows, it is not settled, whether it was rung for already or not. */
  readonly differs: boolean;
  /** The rows of a linked record that are not what was agreed, apart from those that one side alone cannot judge. */
  readonly changed: readonly string[];
  /** Those of which it cannot be told whether anybody changed anything: nothing was agreed of them yet, or they may not concern the record now. */
  readonly open: readonly string[];
  /** Something stands that was agreed under an older fingerprint key. */
  readonly isUnderOlderKey: boolean;
  readonly link: Link | undefined;
  /** What this doorbell would be recognised by: the picture, and the link's revision at the time. */
  readonly print: string;
}

/** Compares a listed record with its link, row by row. Never by `modifiedAt`: whole seconds would hide an edit in the second of our write. */
export async function sight(engine: Engine, snapshot: Snapshot, taxes: readonly Tax[]): Promise<Sighting> {
  const facts: Facts = {
    settings: engine.settings.mapping,
    taxes,
    waveIdOf: () => undefined,
    customcrmIdOf: () => undefined,
  };
  const rows = mappings[snapshot.pair].rows(engine.settings.mapping);
  const cells = rows.map((row) => [row, readCell(row, snapshot.system, snapshot.body, facts)] as const);
  const picture = JSON.stringify(cells.map(([row, cell]) => [row.id, cell?.form ?? null]));
  const link = await findLink(engine.table, snapshot);
  // With its stamp: a lagging list may have shown this very picture before, and then its user made it so.
  const shown = `${pictureStamp(snapshot) ?? ''} ${picture}`;
  const print = `${link?.revision ?? 0}.${fingerprints(engine.settings.keys, refKey(snapshot)).of('sighting', shown)}`;
  // A list that was read before we wrote, or lags, shows what we know to be over.
  const isOver = link !== undefined && isOlderThanAgreed(engine.clock.now(), snapshot, link);
  const prints = fingerprints(engine.settings.keys, link?.id ?? '');
  const rowsChanged = link && !isOver ? changedRows(prints, link, snapshot.system, cells, facts) : [];
  const judged = rowsChanged.filter(
    ({ row, isEmptied }) => !row.rules.applies || row.direction === sendsFrom[snapshot.system] || isEmptied,
  );
  // Without a marker, the first look at a new link never came to its end.
  const isUnderWay = link !== undefined && (link.ahead !== undefined || !link.marked);
  const isOpen = link
    ? isUnderWay || link.state === 'deletion-suspected'
    : await isStarted(engine, snapshot.pair);
  const last = isOpen || rowsChanged.length > 0 ? await lastPrint(engine, snapshot) : print;
  // About these a person was asked already, whatever else became of the link since it was rung for.
  const isAsked = link !== undefined && !isOpen && rowsChanged.every(({ row }) => asksAbout(link, row.id));
  const news = isAsked ? pictureIn(last) !== pictureIn(print) : last !== print;
  const idsOf = (rows: readonly RowChange[]) => rows.map(({ row }) => row.id);
  return {
    news,
    mayWait: link
      ? isUnderWay && rowsChanged.length === 0
      : snapshot.modifiedAt + engine.settings.fenceMarginMs < ((await startedAt(engine, snapshot.pair)) ?? 0),
    differs: isOpen || judged.length > 0,
    changed: idsOf(judged.filter(({ row, change }) => change !== 'none' && !row.rules.applies)),
    open: idsOf(judged.filter(({ row, change }) => change === 'none' || row.rules.applies)),
    isUnderOlderKey: link !== undefined && isUnderOlderKey(prints, link, snapshot.system, cells, facts),
    link,
    print,
  };
}

/** Whether such a row concerns the record now, both sides say together; but what its sender changed, it changed, and what is empty may be filled. */
const sendsFrom = { customcrm: 'toWave', wave: 'toCustomcrm' } as const;

type Cells = readonly (readonly [Row, Cell | undefined])[];

interface RowChange {
  readonly row: Row;
  readonly change: 'same' | 'changed' | 'none';
  readonly isEmptied: boolean;
}

function changedRows(
  prints: Fingerprints,
  link: Link,
  system: System,
  cells: Cells,
  facts: Facts,
): readonly RowChange[] {
  const compare = (row: string, cell: Cell) => prints.compare(link.agreed[system][row], row, cell.form);
  const isChanged = (row: Row, cell: Cell, change: RowChange['change']) => {
    const owner = row.rules.waveCellOf;
    // An empty cell of Wave's is nobody's number.
    const isOurs =
      system === 'wave' && owner !== undefined && !isBlank(cell) && compare(owner, cell) === 'same';
    if (isOurs) return false;
    // What a system filled in by itself flows back; an unanswered write may have left that for later. And in a cell of two rows there is
    // something else than what was agreed for the other one.
    const flows = row.direction === 'both' || (owner !== undefined && row.direction === sendsFrom[system]);
    const isOpen = change === 'none' && flows && !isBlank(cell);
    // Where a person is asked, what its user does to the row may settle it, also by taking it back.
    return change === 'changed' || isOpen || asksAbout(link, row.id);
  };
  return cells.flatMap(([row, cell]) => {
    if (!cell) return [];
    const change = compareCell(prints, link.agreed[system][row.id], row, cell, facts);
    const isEmptied = change === 'changed' && isBlank(cell);
    return isChanged(row, cell, change) ? [{ row, change, isEmptied }] : [];
  });
}

/** Agreed, and still so, but noted under a key that shall go one day: the worker notes it anew. */
function isUnderOlderKey(
  prints: Fingerprints,
  link: Link,
  system: System,
  cells: Cells,
  facts: Facts,
): boolean {
  return cells.some(([row, cell]) => {
    const noted = link.agreed[system][row.id];
    if (!cell || noted === undefined || prints.isCurrent(noted)) return false;
    return compareCell(prints, noted, row, cell, facts) === 'same';
  });
}

/** What of a print does not change with the link. */
const pictureIn = (print = ''): string => print.slice(print.indexOf('.'));

const sightingKey = (ref: RecordRef) => ({ pk: refKey(ref), sk: 'sighting' });

async function lastPrint({ table }: Engine, ref: RecordRef): Promise<string | undefined> {
  return (await table.get(sightingKey(ref)))?.print as string | undefined;
}

/**
 * Notes that this picture was rung for. To be written only after the doorbell is in the queue.
 * @param seen its stamp ({@link pictureStamp})
 */
export async function noteSighting(
  { table, clock }: Engine,
  ref: RecordRef,
  print: string,
  seen?: number,
): Promise<void> {
  const stamp = seen === undefined ? {} : { seen };
  await table.write([{ put: { ...sightingKey(ref), print, at: clock.now(), ...stamp } }]);
}

/** Which picture of a record was rung for after that time (ms), by its stamp, and when; undefined when none was, or it has no stamp. */
export async function seenSince(
  { table }: Engine,
  ref: RecordRef,
  since: number,
): Promise<{ readonly seen: number; readonly at: number } | undefined> {
  const noted = await table.get(sightingKey(ref));
  const at = Number(noted?.at ?? 0);
  return noted?.seen !== undefined && at > since ? { seen: Number(noted.seen), at } : undefined;
}

/** When a record was last rung for (ms), for which picture, and whether that was since its link was written. */
export interface Sighted {
  readonly at: number;
  readonly seen?: number;
  readonly isSince: boolean;
}

export async function lastSighting(
  { table }: Engine,
  link: Link,
  system: System,
): Promise<Sighted | undefined> {
  const noted = await table.get(sightingKey(refOf(link, system)));
  if (noted?.at === undefined) return undefined;
  return {
    at: Number(noted.at),
    ...(noted.seen !== undefined && { seen: Number(noted.seen) }),
    isSince: String(noted.print).startsWith(`${link.revision}.`),
  };
}

/** What is remembered of a record that is proven to be gone: no picture has this print, so it is news when it shows again. */
const gonePrint = 'gone';
/** Gone is remembered for so long, for who still names the record as a parent, ms. */
const goneKeptMs = 30 * 24 * 3600_000;

export async function noteGone({ table, clock }: Engine, ref: RecordRef): Promise<void> {
  const expiresAt = Math.ceil((clock.now() + goneKeptMs) / 1000);
  await table.write([{ put: { ...sightingKey(ref), print: gonePrint, expiresAt } }]);
}

/** Has a list shown this record, as something that was rung for, after that time (ms)? */
export async function isSightedSince({ table }: Engine, ref: RecordRef, at: number): Promise<boolean> {
  const noted = await table.get(sightingKey(ref));
  return noted?.at !== undefined && Number(noted.at) > at;
}

export const isNotedGone = async (engine: Engine, ref: RecordRef): Promise<boolean> =>
  (await lastPrint(engine, ref)) === gonePrint;
