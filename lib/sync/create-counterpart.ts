import { otherSystem, type RecordRef, refKey, type Snapshot, type System } from '../domain/record.ts';
import { mappings } from '../mappings/pairs.ts';
import { caughtUp } from './catch-up.ts';
import type { Cause, Engine, Handled, OutcomeMessage } from './engine.ts';
import { exclusionOf } from './exclusions.ts';
import { findMatch } from './find-match.ts';
import { findIntent, openIntentsInto } from './intents.ts';
import { forgetKeys, indexKeys } from './key-index.ts';
import { throwIfFromBefore, throwIfReadLags } from './lagging.ts';
import { type Late, lateCreate, markedForAnother, waitBehind } from './late-create.ts';
import { linkMatch, revive } from './link-up.ts';
import { BrokenLinkError, counterpartOf, findLink } from './links.ts';
import { fenceOf, noteIfAlike } from './look-up.ts';
import { wake } from './parking.ts';
import { standsStill } from './pause.ts';
import { pollKey } from './poll-progress.ts';
import { isOnItsOwn, setRecordState } from './record-state.ts';
import { abandon, openCreate, resume } from './send-create.ts';
import { isNotedGone, isSightedSince, noteGone } from './sighting.ts';
import { beginsNewLife, type Tombstone, tombstoneOf } from './tombstones.ts';
import { awaitProof, busy, linkParent, neverLinked, ringFor, show } from './unlinked-record.ts';
import type { Work } from './work.ts';

/** A doorbell that comes late says nothing about the time since; both systems must be known to about now, ms. */
const lateMs = 90_000;

/** Said of a record whose counterpart was deleted: it gets no new one by itself, and so cannot be a parent. */
export const survivorAlone: OutcomeMessage = 'record unlinked';

/** Gives an unlinked record its one counterpart: fence, parents, match, intent, create, link. The lease on the record is held. */
export async function createCounterpart(begun: Work): Promise<Handled> {
  const { engine, doorbell, call } = begun;
  const intents = await openIntentsInto(engine, doorbell.system, doorbell.pair); // before the link: see docs/ARCHITECTURE.md
  const link = await findLink(engine.table, doorbell);
  if (link) return busy(engine);
  const reading = await engine.systems[doorbell.system].read(doorbell.pair, doorbell.id, call);
  const work = { ...begun, readAt: engine.clock.now() };
  throwIfReadLags(engine, doorbell, doorbell, reading);
  const open = await findIntent(engine, doorbell);
  if (reading.state !== 'living' && open)
    return (reading.state === 'not-found' && (await awaitProof(work, doorbell))) || abandon(work, open);
  if (reading.state === 'deleted') return neverLinked(work);
  if (reading.state === 'not-found') return missing(work);
  const origin = reading.snapshot;
  await indexKeys(engine, origin);
  // What has an open create of its own was there, unfenced, before any other that is open now began.
  const isOwn = await isOnItsOwn(engine, origin);
  const fence = open || isOwn ? undefined : await fenceOf(engine, intents, origin, call);
  if (fence) {
    await noteIfAlike(engine, fence, origin, call);
    return waitBehind(work, fence);
  }
  const tombstone = await tombstoneOf(engine.table, origin);
  const isLeft = tombstone?.kind === 'survivor' && !beginsNewLife(tombstone, origin);
  const byPerson = await exclusionOf(engine.table, origin);
  const excluded = byPerson ?? mappings[origin.pair].excluded(origin, engine.settings.mapping);
  if (open) return resume(work, origin, open, excluded);
  if (excluded) return isLeft && !byPerson ? showLeft(work, tombstone) : show(work, 'excluded', excluded);
  if (tombstone?.kind === 'deleted') {
    throwIfFromBefore(engine, origin, tombstone);
    // Whatever its marker says: a person may have linked it with another one since that was put there.
    const revived = await revive(work, origin, tombstone);
    if (revived) return revived;
  }
  const foreign = isOwn ? undefined : await markedForAnother(engine, origin);
  if (foreign) return show(work, 'ambiguous', foreign);
  // What was linked once is no create that nobody knew of.
  const late = isOwn || tombstone ? {} : await lateCreate(engine, origin, intents, call);
  if (late.held) return show(work, 'ambiguous', late.held);
  const parents = await linkParents(work, origin, isLeft);
  if (parents) return isLeft && isForAPerson(parents) ? showLeft(work, tombstone) : parents;
  return matchOrCreate(work, origin, late, isLeft ? tombstone : undefined);
}

/** Why its link ended was said when it did, and is no news again. */
const showLeft = (work: Work, { link }: Tombstone): Promise<Handled> =>
  show(work, 'unlinked', link.history[0]?.did ?? 'deleted on the other side');

const isForAPerson = (handled: Handled): boolean =>
  handled.did === 'parked' && handled.cause.shows !== undefined;

/** "Not found" proves nothing at first: a lagging replica, or no rights. In the end there is nothing to make a counterpart for. */
async function missing(work: Work): Promise<Handled> {
  const { engine, doorbell } = work;
  if ((await isBuried(engine, doorbell)) || (await isNotedGone(engine, doorbell))) return neverLinked(work);
  const unproven = await awaitProof(work, doorbell);
  if (unproven) return unproven;
  await noteGone(engine, doorbell);
  await wake(engine, `parent#${refKey(doorbell)}`);
  return neverLinked(work);
}

/** Its link ended with its deletion, and no list has shown it since. */
async function isBuried(engine: Engine, ref: RecordRef): Promise<boolean> {
  const tombstone = await tombstoneOf(engine.table, ref);
  return tombstone?.kind === 'deleted' && !(await isSightedSince(engine, ref, tombstone.at));
}

/** What matched does not show: it shows again, or is proven to be gone, and then matches nothing any more. */
async function awaitSight(work: Work, ref: RecordRef): Promise<Handled> {
  const unproven = await awaitProof(work, ref);
  if (unproven) return unproven;
  await forgetKeys(work.engine, ref);
  await setRecordState(work.engine, ref, undefined, '');
  return busy(work.engine);
}

/** So long another record has for its own worker, ms. */
const revivalMs = 2 * 60_000;

/** What matched lives again: its own worker says first whether its link does too, with what its sides had agreed on. */
async function awaitRevival(work: Work, ref: RecordRef): Promise<Handled> {
  await ringFor(work, ref);
  return { did: 'parked', cause: { name: 'busy', key: 'busy', due: work.engine.clock.now() + revivalMs } };
}

/** Customer first, then products in id order, each by this same routine. */
async function linkParents(work: Work, origin: Snapshot, isLeft: boolean): Promise<Handled | undefined> {
  const { engine } = work;
  for (const parent of mappings[origin.pair].parents(origin.system, origin.body, engine.settings.mapping)) {
    if ((await counterpartOf(engine.table, parent)) !== undefined) {
      await ringIfUnfinished(work, parent);
      continue;
    }
    // What is left shows that, whatever its parents are.
    const waits = isLeft ? await work.linkParent(parent) : await linkParent(work, parent);
    if (waits?.did === 'parked') return waits;
  }
  return undefined;
}

/** Who linked it, as this record's parent perhaps, may have died before the first look at the link came to its end. */
async function ringIfUnfinished(work: Work, parent: RecordRef): Promise<void> {
  try {
    const link = await findLink(work.engine.table, parent);
    // Without a marker it never came to its end.
    if (link && !link.marked) await ringFor(work, parent);
  } catch (error) {
    // Its own worker says so.
    if (!(error instanceof BrokenLinkError)) throw error;
  }
}

/** @param left what its link has left behind, when it gets no new counterpart by itself: only one that is there already */
async function matchOrCreate(
  work: Work,
  origin: Snapshot,
  { unlessMatched }: Late,
  left: Tombstone | undefined,
): Promise<Handled> {
  const { engine, call, doorbell } = work;
  const target = otherSystem(origin.system);
  const upTo = Math.max(doorbell.at, engine.clock.now() - lateMs);
  // Before the match: what is not in the key index yet cannot be found in it.
  if (!(await caughtUp(engine, target, upTo, call))) return { did: 'parked', cause: polled(engine, target) };
  const match = (await isOnItsOwn(engine, origin))
    ? ({ found: 'none' } as const)
    : await findMatch(engine, origin, call);
  if (match.found === 'one' && !(await caughtUp(engine, origin.system, upTo, call)))
    return { did: 'parked', cause: polled(engine, origin.system) };
  if (match.found === 'ambiguous') return show(work, 'ambiguous', match.reason);
  if (match.found === 'fenced') return waitBehind(work, match.by);
  if (match.found === 'unseen') return awaitSight(work, match.ref);
  if (match.found === 'revived')
    return (await standsStill(engine, match.ref)) ?? awaitRevival(work, match.ref);
  if (match.found === 'one') return linkUniqueMatch(work, origin);
  const tombstone = await tombstoneOf(engine.table, origin);
  if (left && tombstone) return showLeft(work, left);
  if (unlessMatched) return show(work, 'ambiguous', unlessMatched);
  return openCreate(work, origin, tombstone);
}

const polled = ({ clock }: Engine, system: System): Cause => ({
  name: 'poll',
  key: pollKey(system),
  due: clock.now() + 10 * 60_000,
});

/** Looked for again now that both systems are known up to the doorbell: a rival on our own side makes the match ambiguous. */
async function linkUniqueMatch(work: Work, origin: Snapshot): Promise<Handled> {
  const match = await findMatch(work.engine, origin, work.call);
  if (match.found === 'one')
    return (await standsStill(work.engine, match.snapshot)) ?? linkMatch(work, origin, match.snapshot);
  return match.found === 'ambiguous' ? show(work, 'ambiguous', match.reason) : busy(work.engine);
}
