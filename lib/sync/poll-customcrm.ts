import { type Pair, pairs, type RecordRef } from '../domain/record.ts';
import { RemoteRejectedError } from '../errors.ts';
import { sightOrReport } from './broken-links.ts';
import type { Engine } from './engine.ts';
import { isJudged, noteJudged } from './judged.ts';
import { forgetKeys, indexKeys } from './key-index.ts';
import { pictureStamp } from './lagging.ts';
import { counterpartOf } from './links.ts';
import { noteAlikes } from './look-up.ts';
import { wake } from './parking.ts';
import { advance, isLate, pollKey, progressOf } from './poll-progress.ts';
import type { PollResult } from './poll-wave.ts';
import type { Call, Change, ChangePage, Doorbell, ListPosition } from './ports.ts';
import { noteSighting } from './sighting.ts';
import { showUnreadable } from './unreadable.ts';

/** Pages of one run; what is left follows in the next. */
const pageLimit = 200;
/** Rows may appear this much later than their stamp says, ms. */
const overlapMs = 60_000;

/** Where a list is read: up to `after` (ms) nothing is missing, and a page is to be read, while one follows, from `cursor`. */
interface Place {
  readonly after: number;
  readonly cursor: string | undefined;
  /** Rows that came later than their stamp says may be missing from here on: the next run begins before them. */
  readonly isRecent: boolean;
}

/** Reads what changed in Customcrm since the last run, deleted records included: webhooks can be lost. A long list is read in several runs. */
export async function pollCustomcrm(engine: Engine, call: Call): Promise<PollResult> {
  const startedAt = engine.clock.now();
  const runId = engine.newId();
  let progress = await progressOf(engine, 'customcrm');
  let [pages, rows, rung] = [0, 0, 0];
  for (const pair of pairs) {
    let place = placeIn(progress.positions[pair]);
    do {
      if (pages > 0 && (pages === pageLimit || isLate(engine, call))) {
        await advance(engine, 'customcrm', progress, progress);
        return { pages, rows, rung, complete: false };
      }
      const page = await readPage(engine, pair, place, call);
      rung += await ringForPage(engine, page.changes, { runId, startedAt }, call);
      pages += 1;
      rows += page.changes.length;
      place = placeAfter(place, page);
      const moved = {
        ...progress,
        positions: { ...progress.positions, [pair]: positionAt(place) },
        clockAheadMs: page.date - engine.clock.now(),
      };
      const saved = place.cursor === undefined ? moved : await advance(engine, 'customcrm', progress, moved);
      if (!saved) return { pages, rows, rung, complete: false };
      progress = saved;
    } while (place.cursor !== undefined);
  }
  const saved = await advance(engine, 'customcrm', progress, { ...progress, completeAt: startedAt });
  if (saved) await wake(engine, pollKey('customcrm'));
  return { pages, rows, rung, complete: saved !== undefined };
}

/** Older code stored the last stamp that it had seen, and no cursor. */
function placeIn({ after, cursor }: ListPosition = { after: new Date(0).toISOString() }): Place {
  const read = Date.parse(after);
  return {
    after: cursor === undefined ? Math.max(0, read - overlapMs) : read,
    cursor: cursor ?? undefined,
    isRecent: false,
  };
}

/** A stamp from the future would hide what changes until then: what is recent by the clock of the page counts as such. */
function placeAfter({ after, isRecent }: Place, { changes, next, date }: ChangePage): Place {
  const last = Math.max(after, ...changes.map(modifiedAt));
  const settled = date - overlapMs;
  return {
    after: isRecent ? after : Math.max(after, Math.min(last, settled)),
    cursor: next,
    isRecent: isRecent || last > settled,
  };
}

const positionAt = ({ after, cursor, isRecent }: Place): ListPosition => ({
  after: new Date(after).toISOString(),
  cursor: isRecent ? null : (cursor ?? null),
});

/** A cursor that is not taken any more only costs what was read with it. */
async function readPage(
  engine: Engine,
  pair: Pair,
  { after, cursor }: Place,
  call: Call,
): Promise<ChangePage> {
  const { customcrm } = engine.systems;
  if (cursor === undefined) return customcrm.changedSince(pair, after, undefined, call);
  return customcrm.changedSince(pair, after, cursor, call).catch((error: unknown) => {
    if (error instanceof RemoteRejectedError) return customcrm.changedSince(pair, after, undefined, call);
    throw error;
  });
}

async function ringForPage(
  engine: Engine,
  changes: readonly Change[],
  { runId, startedAt }: { readonly runId: string; readonly startedAt: number },
  call: Call,
): Promise<number> {
  const fresh = changes.filter((each) => each.state !== 'living' || !isJudged(engine, each.snapshot));
  const rung = await ringForNews(engine, fresh, runId, startedAt, call);
  for (const each of fresh) if (each.state === 'living') noteJudged(engine, each.snapshot, startedAt);
  return rung;
}

const modifiedAt = (change: Change): number =>
  change.state === 'living' ? change.snapshot.modifiedAt : change.modifiedAt;

async function ringForNews(
  engine: Engine,
  changes: readonly Change[],
  runId: string,
  at: number,
  call: Call,
): Promise<number> {
  if (changes.length === 0) return 0;
  const taxes = await engine.taxes.taxes(call);
  const sightings = await Promise.all(
    changes.map(async (change) => {
      if (change.state === 'living') return sightOrReport(engine, change.snapshot, taxes);
      if (change.state === 'unreadable') return showUnreadable(engine, change, `poll:${runId}`);
      const news = (await counterpartOf(engine.table, change.ref)) !== undefined;
      return { news, print: 'deleted', mayWait: false, link: undefined };
    }),
  );
  const doorbells = changes.flatMap((change, index): Doorbell[] => {
    const { news = false, mayWait = false } = sightings[index] ?? {};
    const lane = mayWait ? ({ background: true } as const) : {};
    return news ? [{ ...refOf(change), eventId: `poll:${runId}`, at, ...seenIn(change), ...lane }] : [];
  });
  if (doorbells.length > 0) await engine.queues.customcrm.ring(doorbells);
  await Promise.all(
    changes.map(async (change, index) => {
      if (change.state === 'living') await indexKeys(engine, change.snapshot);
      else if (change.state === 'deleted') await forgetKeys(engine, change.ref);
      const sighting = sightings[index];
      if (sighting?.news) await noteSighting(engine, refOf(change), sighting.print);
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
