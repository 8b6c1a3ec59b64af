import { type Pair, pairs, type RecordRef, type Snapshot } from '../domain/record.ts';
import { sightOrReport } from './broken-links.ts';
import type { Engine } from './engine.ts';
import { forgetJudgedBefore, isJudged, noteJudged } from './judged.ts';
import { indexKeys } from './key-index.ts';
import { boundOf, countedNow, nextPosition, placesIn, stillCounted } from './list-position.ts';
import { noteAlikes } from './look-up.ts';
import { wake } from './parking.ts';
import { advance, lateness, type Progress, pollKey, progressOf } from './poll-progress.ts';
import type { Call, Doorbell, ListPosition, WavePage } from './ports.ts';
import { noteSighting } from './sighting.ts';
import { ringForUnread } from './unreadable.ts';

/** Pages of one run; what is left follows in the next. */
const pageLimit = 50;
/** Rows may appear this much later than their stamp says, ms... */
const overlapMs = 60_000;
/** ...and are read again no more often than this, ms: a first load asks for a run every few seconds. */
const overlapEveryMs = 15_000;

export interface PollResult {
  readonly pages: number;
  readonly rows: number;
  readonly rung: number;
  /** False: more is waiting, or another run was faster. */
  readonly complete: boolean;
}

/** Reads all three of Wave's lists since the cursor and rings for real differences. The cursor moves only after everything is queued. */
export async function pollWave(engine: Engine, call: Call): Promise<PollResult> {
  const startedAt = engine.clock.now();
  const stored = await progressOf(engine, 'wave');
  forgetJudgedBefore(engine, 'wave', stored.revision);
  let progress = countedAt(stored, startedAt);
  const late = lateness(engine, call);
  const { since, ...beginning } = beginningOf(progress, startedAt);
  let { places } = beginning;
  let wanted: readonly Pair[] = pairs;
  let rows = 0;
  let rung = 0;
  for (let pages = 1; pages <= pageLimit; pages++) {
    if (pages > 1 && late.isLate()) return { pages: pages - 1, rows, rung, complete: false };
    // Of each page a name of its own: a record that has changed between two pages of a run is on both, and no queue takes a name twice.
    const eventId = `poll:${engine.newId()}`;
    const page = await late.timed(engine.feed.changes(boundsOf(places, wanted), call));
    const snapshots = wanted.flatMap((pair) => page.lists[pair]?.snapshots ?? []);
    const fresh = snapshots.filter((snapshot) => !isJudged(engine, snapshot));
    rung += await late.timed(ringForNews(engine, fresh, eventId, startedAt, call));
    const unread = wanted.flatMap((pair) => page.lists[pair]?.unread ?? []);
    rung += await ringForUnread(engine, unread, eventId, startedAt);
    for (const snapshot of fresh) noteJudged(engine, snapshot, page.date);
    rows += snapshots.length + unread.length;
    const next = new Map(wanted.map((pair) => [pair, nextPosition(places[pair] ?? start, page.lists[pair])]));
    const positions = Object.fromEntries(
      wanted.map((pair) => [pair, positionAfter(page, pair, next.get(pair), progress.positions[pair])]),
    );
    const onwards = wanted.map((pair) => [pair, next.get(pair) ?? endOf(page, pair, places[pair])]);
    places = { ...places, ...Object.fromEntries(onwards) };
    wanted = wanted.filter((pair) => next.get(pair));
    const complete = wanted.length === 0;
    const saved = await advance(engine, 'wave', progress, {
      positions: counted({ ...progress.positions, ...positions }, (each) =>
        countedNow(each, engine.clock.now()),
      ),
      reached: { places: counted(places, (each) => countedNow(each, engine.clock.now())), since },
      completeAt: complete ? startedAt : progress.completeAt,
      clockAheadMs: page.date - engine.clock.now(),
    });
    if (!saved) return { pages, rows, rung, complete: false };
    progress = saved;
    if (complete) {
      await wake(engine, pollKey('wave'));
      return { pages, rows, rung, complete };
    }
  }
  return { pages: pageLimit, rows, rung, complete: false };
}

/** As it is stored, but for places by a count that holds no more. */
function countedAt({ reached, ...stored }: Progress, now: number): Progress {
  const fresh = (places: Progress['positions']) => counted(places, (each) => stillCounted(each, now));
  return {
    ...stored,
    positions: fresh(stored.positions),
    ...(reached && { reached: { ...reached, places: fresh(reached.places) } }),
  };
}

/** Where a run begins: where the latest one came to, or with the overlap, when that was not read again for some time. */
function beginningOf({ reached, positions }: Progress, now: number): NonNullable<Progress['reached']> {
  const isRecent = reached !== undefined && Math.abs(now - reached.since) < overlapEveryMs;
  return isRecent ? reached : { places: positions, since: now };
}

const counted = (
  positions: Progress['positions'],
  change: (position: ListPosition) => ListPosition,
): Progress['positions'] =>
  Object.fromEntries(Object.entries(positions).map(([pair, position]) => [pair, change(position)]));

const start: ListPosition = { after: new Date(0).toISOString() };

function boundsOf(
  places: Progress['positions'],
  wanted: readonly Pair[],
): Partial<Record<Pair, ListPosition>> {
  return Object.fromEntries(wanted.map((pair) => [pair, boundOf(places[pair] ?? start)]));
}

/**
 * Where a run begins in a list that reads the overlap again: where this one has come to, but within the overlap, also when it breaks off
 * there, and never before where it began. A row that cannot be read takes many requests, and is passed for good.
 * @param next where this run goes on; undefined at the end of the list
 */
function positionAfter(
  page: WavePage,
  pair: Pair,
  next: ListPosition | undefined,
  before: ListPosition = start,
): ListPosition {
  const bound = new Date(Math.max(0, page.date - overlapMs)).toISOString();
  if (next && (next.after <= bound || page.lists[pair]?.unread?.length)) return next;
  const { after } = endOf(page, pair, before);
  const chosen = after < bound ? after : bound;
  return { after: chosen > before.after ? chosen : before.after };
}

/** The last stamp of a page. */
function endOf(page: WavePage, pair: Pair, before: ListPosition = start): ListPosition {
  const last = placesIn(page.lists[pair] ?? { snapshots: [] }).at(-1);
  return { after: last ? new Date(last.modifiedAt).toISOString() : before.after };
}

const refOf = ({ system, pair, id }: Snapshot): RecordRef => ({ system, pair, id });

async function ringForNews(
  engine: Engine,
  snapshots: readonly Snapshot[],
  eventId: string,
  at: number,
  call: Call,
): Promise<number> {
  if (snapshots.length === 0) return 0;
  const taxes = await engine.taxes.taxes(call);
  const sightings = await Promise.all(snapshots.map((snapshot) => sightOrReport(engine, snapshot, taxes)));
  const doorbells = snapshots.flatMap((snapshot, index): Doorbell[] => {
    const { news = false, mayWait = false } = sightings[index] ?? {};
    const lane = mayWait ? ({ background: true } as const) : {};
    return news ? [{ ...refOf(snapshot), eventId, at, seen: snapshot.modifiedAt, ...lane }] : [];
  });
  if (doorbells.length > 0) await engine.queues.wave.ring(doorbells);
  await Promise.all(
    snapshots.map(async (snapshot, index) => {
      await indexKeys(engine, snapshot);
      const sighting = sightings[index];
      if (sighting?.news) await noteSighting(engine, snapshot, sighting.print, snapshot.modifiedAt);
    }),
  );
  const unlinked = snapshots.filter((_, index) => !sightings[index]?.link);
  await noteAlikes(engine, unlinked, call);
  return doorbells.length;
}
