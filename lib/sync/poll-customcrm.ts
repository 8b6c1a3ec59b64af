import { type Pair, pairs, type RecordRef } from '../domain/record.ts';
import { sightOrReport } from './broken-links.ts';
import type { Engine } from './engine.ts';
import { forgetJudgedBefore, isJudged, noteJudged } from './judged.ts';
import { forgetKeys, indexKeys } from './key-index.ts';
import { pictureStamp } from './lagging.ts';
import { counterpartOf } from './links.ts';
import { noteAlikes } from './look-up.ts';
import { wake } from './parking.ts';
import { advance, lateness, pollKey, progressOf } from './poll-progress.ts';
import type { PollResult } from './poll-wave.ts';
import type { Call, Change, ChangePage, Doorbell, ListPosition } from './ports.ts';
import { recordStateOf } from './record-state.ts';
import { noteSighting } from './sighting.ts';
import { isStarted } from './started-pairs.ts';
import { showUnreadable } from './unreadable.ts';

/** Pages of one run; what is left follows in the next. */
const pageLimit = 200;
/** Rows may appear this much later than their stamp says, ms... */
const overlapMs = 60_000;
/** ...by a clock that is this much behind the one that dates the page, ms. */
const clocksApartMs = 60_000;
/** A cursor is opaque: after this long, ms, nobody relies on what it may stand for. */
const cursorHoldsMs = 10 * 60_000;

/** Where a list is read: up to `after` (ms) nothing is missing, and a page is to be read, while one follows, from `cursor`. */
interface Place {
  readonly after: number;
  readonly cursor: string | undefined;
  /** The cursor is of an earlier run; and so was one that led here. */
  readonly isKept: boolean;
  readonly fromKept: boolean;
  /** Rows that came later than their stamp says may be missing from here on: the next run begins before them. */
  readonly isRecent: boolean;
}

/** Reads what changed in Customcrm since the last run, deleted records included: webhooks can be lost. A long list is read in several runs. */
export async function pollCustomcrm(engine: Engine, call: Call): Promise<PollResult> {
  const startedAt = engine.clock.now();
  let stored = await progressOf(engine, 'customcrm');
  forgetJudgedBefore(engine, 'customcrm', stored.revision);
  let { positions, clockAheadMs } = stored;
  const late = lateness(engine, call);
  let [pages, rows, rung] = [0, 0, 0];
  const keep = async (completeAt = stored.completeAt): Promise<boolean> => {
    const after = { ...stored, positions, completeAt, ...(clockAheadMs !== undefined && { clockAheadMs }) };
    const saved = await advance(engine, 'customcrm', stored, after);
    stored = saved ?? stored;
    return saved !== undefined;
  };
  for (const pair of pairs) {
    let place: Place | undefined = placeIn(positions[pair], startedAt);
    while (place) {
      // Of each list at least one page: who has little time mostly needs no more.
      if (pages >= pairs.length && (pages >= pageLimit || late.isLate())) {
        if (positions !== stored.positions) await keep();
        return { pages, rows, rung, complete: false };
      }
      const page = await late.timed(readPage(engine, pair, place, call));
      // Of each page a name of its own: a record that has changed between two pages of a run is on both, and no queue takes a name twice.
      const eventId = `poll:${engine.newId()}`;
      rung += await late.timed(ringForPage(engine, page.changes, { eventId, startedAt }, call));
      pages += 1;
      rows += page.changes.length;
      clockAheadMs = page.date - engine.clock.now();
      const next = placeAfter(place, page);
      const moved = positionAt(next, positions[pair], engine.clock.now());
      if (moved !== positions[pair]) positions = { ...positions, [pair]: moved };
      // What is recent moves no position: two runs that are there do not disturb each other.
      if (moved.cursor != null && positions !== stored.positions && !(await keep()))
        return { pages, rows, rung, complete: false };
      place = onwards(next);
    }
  }
  const complete = await keep(startedAt);
  if (complete) await wake(engine, pollKey('customcrm'));
  return { pages, rows, rung, complete };
}

/** Older code stored the last stamp that it had seen, and no cursor. */
function placeIn(position: ListPosition = { after: new Date(0).toISOString() }, now: number): Place {
  const { after, cursor, countedAt = 0 } = position;
  const read = Date.parse(after);
  const kept = cursor != null && now - countedAt < cursorHoldsMs ? cursor : undefined;
  return {
    after: cursor === undefined ? Math.max(0, read - overlapMs) : read,
    cursor: kept,
    isKept: kept !== undefined,
    fromKept: kept !== undefined,
    isRecent: false,
  };
}

/** A stamp from the future would hide what changes until then: what is recent by the clock of the page counts as such. */
function placeAfter({ after, fromKept, isRecent }: Place, { changes, next, date }: ChangePage): Place {
  const last = Math.max(after, ...changes.map(modifiedAt));
  const settled = date - overlapMs - clocksApartMs;
  return {
    after: isRecent ? after : Math.max(after, Math.min(last, settled)),
    cursor: next,
    isKept: false,
    fromKept,
    isRecent: isRecent || last > settled,
  };
}

/** What a cursor of an earlier run leads to may be the list as it was then: its end is read again without one. */
function onwards(next: Place): Place | undefined {
  if (next.cursor !== undefined) return next;
  return next.fromKept ? { ...next, fromKept: false, isRecent: false } : undefined;
}

/** The same object while nothing is to be kept. */
function positionAt(
  { after, cursor, isRecent }: Place,
  before: ListPosition | undefined,
  now: number,
): ListPosition {
  const position = { after: new Date(after).toISOString(), cursor: isRecent ? null : (cursor ?? null) };
  if (before && before.after === position.after && before.cursor === position.cursor) return before;
  return position.cursor === null ? position : { ...position, countedAt: now };
}

/** A cursor of an earlier run that is not taken any more only costs what was read with it. */
async function readPage(
  engine: Engine,
  pair: Pair,
  { after, cursor, isKept }: Place,
  call: Call,
): Promise<ChangePage> {
  const { customcrm } = engine.systems;
  const read = customcrm.changedSince(pair, after, cursor, call);
  if (!isKept) return read;
  return read.catch(() => customcrm.changedSince(pair, after, undefined, call));
}

async function ringForPage(
  engine: Engine,
  changes: readonly Change[],
  { eventId, startedAt }: { readonly eventId: string; readonly startedAt: number },
  call: Call,
): Promise<number> {
  const fresh = changes.filter((each) => each.state !== 'living' || !isJudged(engine, each.snapshot));
  const rung = await ringForNews(engine, fresh, eventId, startedAt, call);
  for (const each of fresh) if (each.state === 'living') noteJudged(engine, each.snapshot, startedAt);
  return rung;
}

const modifiedAt = (change: Change): number =>
  change.state === 'living' ? change.snapshot.modifiedAt : change.modifiedAt;

async function ringForNews(
  engine: Engine,
  changes: readonly Change[],
  eventId: string,
  at: number,
  call: Call,
): Promise<number> {
  if (changes.length === 0) return 0;
  const taxes = await engine.taxes.taxes(call);
  const sightings = await Promise.all(
    changes.map(async (change) => {
      if (change.state === 'living') return sightOrReport(engine, change.snapshot, taxes);
      if (change.state === 'unreadable') return showUnreadable(engine, change, eventId);
      const news =
        (await counterpartOf(engine.table, change.ref)) !== undefined ||
        ((await isStarted(engine, change.ref.pair)) &&
          (await recordStateOf(engine, change.ref)) !== undefined);
      return { news, print: 'deleted', mayWait: false, link: undefined };
    }),
  );
  const doorbells = changes.flatMap((change, index): Doorbell[] => {
    const { news = false, mayWait = false } = sightings[index] ?? {};
    const lane = mayWait ? ({ background: true } as const) : {};
    return news ? [{ ...refOf(change), eventId, at, ...seenIn(change), ...lane }] : [];
  });
  if (doorbells.length > 0) await engine.queues.customcrm.ring(doorbells);
  await Promise.all(
    changes.map(async (change, index) => {
      if (change.state === 'living') await indexKeys(engine, change.snapshot);
      else if (change.state === 'deleted') await forgetKeys(engine, change.ref);
      const sighting = sightings[index];
      if (sighting?.news) await noteSighting(engine, refOf(change), sighting.print, seenIn(change).seen);
    }),
  );
  const unlinked = changes.flatMap((change, index) =>
    change.state === 'living' && !sightings[index]?.link ? [change.snapshot] : [],
  );
  await noteAlikes(engine, unlinked, call);
  return doorbells.length;
}

function seenIn(change: Change): Pick<Doorbell, 'seen'> {
  if (change.state === 'unreadable') return {};
  const { system, version, modifiedAt } =
    change.state === 'living' ? change.snapshot : { ...change.ref, ...change };
  const stamp = pictureStamp({ system, modifiedAt, ...(version !== undefined && { version }) });
  return stamp === undefined ? {} : { seen: stamp };
}

function refOf(change: Change): RecordRef {
  const { system, pair, id }: RecordRef = change.state === 'living' ? change.snapshot : change.ref;
  return { system, pair: pair as Pair, id };
}
