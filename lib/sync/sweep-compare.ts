import { createHash } from 'node:crypto';
import { type Link, refOf } from '../domain/link.ts';
import type { Pair, RecordRef, Snapshot, System } from '../domain/record.ts';
import { RemoteRejectedError } from '../errors.ts';
import { mappings } from '../mappings/pairs.ts';
import { asksAbout } from './agree.ts';
import { reportBroken } from './broken-links.ts';
import type { Engine } from './engine.ts';
import { exclusionOf } from './exclusions.ts';
import { forgetKeys, indexKeys } from './key-index.ts';
import { pictureStamp } from './lagging.ts';
import { BrokenLinkError, findLink } from './links.ts';
import { type Parked, parkedNow } from './parking.ts';
import { pollHasPassed } from './poll-progress.ts';
import type { Call, Change, Tax, Unreadable } from './ports.ts';
import { type RecordState, recordStateOf } from './record-state.ts';
import { type Sighting, sight } from './sighting.ts';
import { isStarted, startedAt } from './started-pairs.ts';
import { type FoundRecord, nothingSeen, type Seen, type Step, type SweepRun, seenOf } from './sweep-run.ts';
import { beginsNewLife, tombstoneOf } from './tombstones.ts';
import { showUnreadable } from './unreadable.ts';

/** A difference this old is one that webhook and poll have missed, ms. */
const missedAfterMs = 15 * 60_000;
/** How often a refused cursor makes a list begin again. */
const restartLimit = 3;

/** A page of a list after it was compared: what to keep of it, and where the run stands. */
export interface Compared {
  readonly run: SweepRun;
  readonly marks: readonly string[];
  readonly found: readonly FoundRecord[];
  /** The list has no further page. */
  readonly last: boolean;
}

/** The mark of a link, seen from either side: both halves name the same two records, or the marks differ. */
export const markOf = (customcrmId: string, waveId: string): string =>
  createHash('sha256').update(`${customcrmId}\u0000${waveId}`).digest('base64url').slice(0, 12);

/** Reads one page of one list, notes the match keys of its rows and judges each by its fingerprints. */
export async function comparePage(
  engine: Engine,
  run: SweepRun,
  { pair, phase }: Step & { readonly phase: System },
  call: Call,
): Promise<Compared> {
  const page = await readPage(engine, run, pair, phase, call);
  if (page === 'begin again') return { run: againFrom(run, pair, phase), marks: [], found: [], last: false };
  const taxes = pair === 'customer' ? [] : await engine.taxes.taxes(call);
  const judged = await Promise.all(page.changes.map((change) => judge(engine, run, change, taxes)));
  const rows = page.changes.filter((change) => change.state !== 'deleted').length;
  const seen = addTo(seenOf(run, pair)[phase], {
    rows,
    linked: judged.filter(({ link }) => link).length,
    changed: judged.filter(({ changed }) => changed).length,
    older: judged.filter(({ older }) => older).length,
  });
  const { cursor: _cursor, ...rest } = run;
  return {
    run: {
      ...rest,
      ...(page.next !== undefined && { cursor: page.next }),
      seen: { ...run.seen, [pair]: { ...seenOf(run, pair), [phase]: seen } },
    },
    marks: judged.flatMap(({ link }) => (link ? [markOf(link.customcrmId, link.waveId)] : [])),
    found: judged.flatMap(({ found }) => (found ? [found] : [])),
    last: page.next === undefined,
  };
}

const addTo = (before: Seen, more: Seen): Seen => ({
  rows: before.rows + more.rows,
  linked: before.linked + more.linked,
  changed: before.changed + more.changed,
  older: (before.older ?? 0) + (more.older ?? 0),
});

/** Customcrm's list holds deleted records too; Wave's walks in the order of creation, so that an edit moves no row. */
async function readPage(
  engine: Engine,
  run: SweepRun,
  pair: Pair,
  system: System,
  call: Call,
): Promise<{ readonly changes: readonly Change[]; readonly next: string | undefined } | 'begin again'> {
  if (system === 'wave') {
    const { snapshots, unread = [], next } = await engine.feed.listAll(pair, run.cursor, call);
    const living = snapshots.map((snapshot) => ({ state: 'living' as const, snapshot }));
    return { changes: [...living, ...unread], next };
  }
  try {
    return await engine.systems.customcrm.changedSince(pair, 0, run.cursor, call);
  } catch (error) {
    // A cursor of yesterday may not be known any more.
    if (!(error instanceof RemoteRejectedError) || run.cursor === undefined || run.restarts >= restartLimit)
      throw error;
    return 'begin again';
  }
}

function againFrom({ cursor: _cursor, ...run }: SweepRun, pair: Pair, system: System): SweepRun {
  const seen = {
    ...run.seen,
    [pair]: { ...seenOf(run, pair), [system]: nothingSeen },
  };
  return { ...run, seen, restarts: run.restarts + 1 };
}

interface Judged {
  readonly link?: Link | undefined;
  readonly changed: boolean;
  readonly older?: boolean;
  readonly found?: FoundRecord | undefined;
}

async function judge(engine: Engine, run: SweepRun, change: Change, taxes: readonly Tax[]): Promise<Judged> {
  const ref = change.state === 'living' ? change.snapshot : change.ref;
  try {
    if (change.state === 'living') return await judgeLiving(engine, change, taxes);
    return change.state === 'deleted'
      ? await judgeDeleted(engine, change.ref)
      : await judgeUnreadable(engine, run, change);
  } catch (error) {
    if (!(error instanceof BrokenLinkError)) throw error;
    await reportBroken(engine, ref);
    return { changed: false };
  }
}

async function judgeDeleted(engine: Engine, ref: RecordRef): Promise<Judged> {
  const link = await findLink(engine.table, ref);
  await forgetKeys(engine, ref);
  // What it shows without a link.
  const isOver = !link && (await isStarted(engine, ref.pair)) && (await recordStateOf(engine, ref));
  if (!link && !isOver) return { changed: false };
  const { system, id } = ref;
  return { link, changed: false, found: { system, id, revision: link?.revision ?? 0, repair: false } };
}

/** It is there, and its worker may read it after all. */
async function judgeUnreadable(engine: Engine, run: SweepRun, change: Unreadable): Promise<Judged> {
  const { news } = await showUnreadable(engine, change, `sweep:${run.id}`);
  const link = change.isNamed ? await findLink(engine.table, change.ref) : undefined;
  if (!news) return { link, changed: false };
  const { system, id } = change.ref;
  return { link, changed: false, found: { system, id, revision: link?.revision ?? 0, repair: false } };
}

async function judgeLiving(
  engine: Engine,
  { snapshot }: Change & { readonly state: 'living' },
  taxes: readonly Tax[],
): Promise<Judged> {
  const sighting = await sight(engine, snapshot, taxes);
  const { news, differs, link, print, isUnderOlderKey: older } = sighting;
  await indexKeys(engine, snapshot);
  // What a person was asked about has not changed "at once with all the others".
  const changed = link !== undefined && sighting.changed.some((row) => !asksAbout(link, row));
  const shown = link ? undefined : await recordStateOf(engine, snapshot);
  const mayHaveEnded =
    shown !== undefined &&
    (mayEnd.has(shown.state) ||
      (shown.state === 'unlinked' && (shown.isUnasked || (await mayGetAnother(engine, snapshot)))) ||
      (shown.state === 'excluded' && !(await isExcluded(engine, snapshot))));
  const isSettled = !differs || (!mayHaveEnded && (await isExplained(engine, snapshot, sighting, shown)));
  if (!news && isSettled && !older) return { link, changed };
  // A worker is in the middle of a write: nobody has missed anything.
  const isUnderWay = link?.ahead !== undefined;
  const isUnasked = link ? changed && !isUnderWay : differs && shown === undefined;
  const repair = isUnasked && (await isMissed(engine, snapshot, sighting));
  const { system, id } = snapshot;
  const stamp = pictureStamp(snapshot);
  const seen = stamp === undefined ? {} : { seen: stamp };
  const found = { system, id, revision: link?.revision ?? 0, print, ...seen, repair };
  return { link, changed, older, found };
}

const isExcluded = async ({ table, settings }: Engine, record: Snapshot): Promise<boolean> =>
  mappings[record.pair].excluded(record, settings.mapping) !== undefined ||
  (await exclusionOf(table, record)) !== undefined;

/** A person has said that it shall get another counterpart, or a cancelled order was opened again, and nobody has looked since. */
async function mayGetAnother({ table }: Engine, record: Snapshot): Promise<boolean> {
  const tombstone = await tombstoneOf(table, record);
  if (tombstone?.kind !== 'survivor') return true;
  return beginsNewLife(tombstone, record) && !mappings[record.pair].givenUp(record.body);
}

/** What such a record shows may have ended without a word: its rival was renamed, a tax was added. It is looked at again by each run. */
const mayEnd: ReadonlySet<RecordState> = new Set(['ambiguous', 'blocked']);

/** The clocks of the systems and ours differ by less, ms. */
const clocksDifferMs = 5 * 60_000;

/** It was rung for this very picture already: something must show why it is not settled. */
async function isExplained(
  engine: Engine,
  snapshot: Snapshot,
  { link, changed, open }: Sighting,
  shown: object | undefined,
): Promise<boolean> {
  if (shown !== undefined) return true;
  const rows = [...changed, ...open];
  // Of what was typed since nobody has asked yet: it may flow, or be asked about otherwise.
  const judged = [link?.answered, link?.looked].map((stamps) => stamps?.[snapshot.system] ?? -1);
  const isJudged = (pictureStamp(snapshot) ?? 0) <= Math.max(...judged);
  if (link && isJudged && rows.length > 0 && rows.every((row) => asksAbout(link, row))) return true;
  // Who waits for long was read before that; what was changed since may flow all the same.
  return (await parkedOf(engine, snapshot, link)).some(
    (parked) => Number(parked.lookedAt ?? parked.since) > snapshot.modifiedAt + clocksDifferMs,
  );
}

/** How this record, or the other half of its link, waits. */
async function parkedOf(
  engine: Engine,
  ref: RecordRef,
  link: Link | undefined,
): Promise<readonly NonNullable<Parked>[]> {
  const refs = link ? [refOf(link, 'customcrm'), refOf(link, 'wave')] : [ref];
  const parked = await Promise.all(refs.map((each) => parkedNow(engine, each)));
  return parked.filter((each) => each !== undefined);
}

/**
 * Neither webhook nor poll brought it, and nothing is queued or waits for it: what the metric of repairs counts. Which record a queue
 * holds cannot be asked, so nothing counts while its live lane holds any. A first load counts nothing.
 */
async function isMissed(
  engine: Engine,
  record: RecordRef & { readonly createdAt: number; readonly modifiedAt: number },
  { link, changed, news }: Sighting,
): Promise<boolean> {
  const isOld = engine.clock.now() - record.modifiedAt > missedAfterMs;
  // A poll that is behind, as while Wave refuses requests, has not missed it.
  if (!isOld || !(await pollHasPassed(engine, record.system, record.modifiedAt + clocksDifferMs)))
    return false;
  if (link && !changed.some((row) => movesStamp(engine, record, row))) return false;
  if (news && (await parkedOf(engine, record, link)).length > 0) return false;
  if (((await engine.queues[record.system].depth?.())?.live ?? 0) > 0) return false;
  if (link) return true;
  const started = await startedAt(engine, record.pair);
  return started !== undefined && record.createdAt > started;
}

/** What Wave computes (amounts, a status that the date changes) may change without moving `modifiedAt`: how old that is, nobody knows. */
const movesStamp = ({ settings }: Engine, { system, pair }: RecordRef, id: string): boolean =>
  system === 'customcrm' ||
  mappings[pair].rows(settings.mapping).some((row) => row.id === id && row.direction !== 'toCustomcrm');
