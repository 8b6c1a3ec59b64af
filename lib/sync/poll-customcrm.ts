import { type Pair, pairs, type RecordRef } from '../domain/record.ts';
import { sightOrReport } from './broken-links.ts';
import type { Engine } from './engine.ts';
import { isJudged, noteJudged } from './judged.ts';
import { forgetKeys, indexKeys } from './key-index.ts';
import { pictureStamp } from './lagging.ts';
import { counterpartOf } from './links.ts';
import { noteAlikes } from './look-up.ts';
import { wake } from './parking.ts';
import { advance, pollKey, progressOf } from './poll-progress.ts';
import type { PollResult } from './poll-wave.ts';
import type { Call, Change, Doorbell } from './ports.ts';
import { noteSighting } from './sighting.ts';
import { showUnreadable } from './unreadable.ts';

/** Pages of one list in one run; what is left follows in the next. */
const pageLimit = 200;
/** Rows may appear this much later than their stamp says, ms. */
const overlapMs = 60_000;

/** Reads what changed in Customcrm since the cursor, deleted records included: webhooks can be lost. */
export async function pollCustomcrm(engine: Engine, call: Call): Promise<PollResult> {
  const startedAt = engine.clock.now();
  const runId = engine.newId();
  const before = await progressOf(engine, 'customcrm');
  const positions = { ...before.positions };
  let pages = 0;
  let rows = 0;
  let rung = 0;
  let complete = true;
  let clockAheadMs = before.clockAheadMs ?? 0;
  for (const pair of pairs) {
    const since = Date.parse(before.positions[pair]?.after ?? new Date(0).toISOString());
    let newest = since;
    let cursor: string | undefined;
    let left = pageLimit;
    do {
      const page = await engine.systems.customcrm.changedSince(
        pair,
        Math.max(0, since - overlapMs),
        cursor,
        call,
      );
      const fresh = page.changes.filter(
        (each) => each.state !== 'living' || !isJudged(engine, each.snapshot),
      );
      rung += await ringForNews(engine, fresh, runId, startedAt, call);
      for (const each of fresh) if (each.state === 'living') noteJudged(engine, each.snapshot, startedAt);
      // A stamp from the future would hide what changes until then.
      newest = Math.max(newest, Math.min(page.date, Math.max(0, ...page.changes.map(modifiedAt))));
      clockAheadMs = page.date - engine.clock.now();
      rows += page.changes.length;
      pages += 1;
      left -= 1;
      cursor = page.next;
    } while (cursor !== undefined && left > 0);
    complete &&= cursor === undefined;
    positions[pair] = { after: new Date(newest).toISOString() };
  }
  const saved = await advance(engine, 'customcrm', before, {
    positions,
    completeAt: complete ? startedAt : before.completeAt,
    clockAheadMs,
  });
  if (saved && complete) await wake(engine, pollKey('customcrm'));
  return { pages, rows, rung, complete: complete && saved !== undefined };
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
