import { createHash } from 'node:crypto';
import { type Link, nothingAgreed, type RowPrints } from '../domain/link.ts';
import { otherSystem, type RecordRef, refKey, type Snapshot, type System } from '../domain/record.ts';
import { RemoteMissingError, RemoteOutcomeUnknownError, RemoteRejectedError } from '../errors.ts';
import {
  agreedAfterCreate,
  agreedAtLink,
  composeCreate,
  type KnownRows,
  printsSent,
} from '../mappings/creation.ts';
import type { Facts } from '../mappings/mapping.ts';
import { markedRef } from '../mappings/match-keys.ts';
import { mappings } from '../mappings/pairs.ts';
import { absenceInWave, secondLookMs, waveShowsOthers } from './absence.ts';
import { answeredAfter } from './agree.ts';
import { applyChange, picture, type Work } from './apply-change.ts';
import { caughtUp } from './catch-up.ts';
import { keepLosers, reportLosers } from './conflict-log.ts';
import type { Cause, Engine, Handled, OutcomeMessage } from './engine.ts';
import { exclusionOf } from './exclusions.ts';
import { gatherFacts } from './facts.ts';
import { findMatch } from './find-match.ts';
import { firstStart } from './identity.ts';
import {
  alikesOf,
  closedIntentsInto,
  closeWrites,
  earliestResult,
  fenceKey,
  findIntent,
  type Intent,
  mayBeResultOf,
  noOpenIntent,
  noteAlike,
  openIntent,
  openIntentsInto,
  updateIntent,
} from './intents.ts';
import { forgetKeys, hashesOf, indexKeys, keysOf } from './key-index.ts';
import { throwIfFromBefore, throwIfReadLags } from './lagging.ts';
import { stillHeld } from './leases.ts';
import { counterpartOf, findLink, newLinkWrites } from './links.ts';
import { agreedWithoutOrigin, type Found, knownRows, likenessOf, lookUp, printsOfIntent } from './look-up.ts';
import { parkedSince, wake } from './parking.ts';
import { clockAhead, pollKey } from './poll-progress.ts';
import { isOnItsOwn, type RecordState, recordStateOf, setRecordState } from './record-state.ts';
import { isNotedGone, noteGone } from './sighting.ts';
import { startedAt } from './started-pairs.ts';
import { removeTombstone, type Tombstone, tombstoneOf } from './tombstones.ts';

/** Said of a record that is gone and has no counterpart; who needs it as a parent is blocked by that. */
export const deletedUnlinked = 'deleted, and not linked';

/** Customcrm says 410 for what was deleted; a 404 that lasts this long is not there either, ms. */
const hourMs = 3600_000;

/** A doorbell that comes late says nothing about the time since; both systems must be known to about now, ms. */
const lateMs = 90_000;

/** Said of a record whose counterpart was deleted: it gets no new one by itself, and so cannot be a parent. */
export const survivorAlone: OutcomeMessage = 'record unlinked';

/** Gives an unlinked record its one counterpart: fence, parents, match, intent, create, link. The lease on the record is held. */
export async function createCounterpart(work: Work): Promise<Handled> {
  const { engine, doorbell, call } = work;
  const intents = await openIntentsInto(engine, doorbell.system, doorbell.pair); // before the link: see docs/ARCHITECTURE.md
  const link = await findLink(engine.table, doorbell);
  if (link) return busy(engine);
  const reading = await engine.systems[doorbell.system].read(doorbell.pair, doorbell.id, call);
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
  const fence = open || isOwn ? undefined : intents.find((intent) => mayBeResultOf(engine, intent, origin));
  if (fence) {
    const likeness = await likenessOf(engine, fence, origin, call);
    if (likeness === 'all' || likeness === 'key') await noteAlike(engine, fence, origin.id, likeness);
    return waitBehind(work, fence);
  }
  const excluded =
    (await exclusionOf(engine.table, origin)) ??
    mappings[origin.pair].excluded(origin, engine.settings.mapping);
  if (open) return resume(work, origin, open, excluded);
  if (excluded) return show(work, 'excluded', excluded);
  const tombstone = await tombstoneOf(engine.table, origin);
  if (tombstone?.kind === 'deleted') throwIfFromBefore(engine, origin, tombstone);
  const foreign = isOwn
    ? undefined
    : ((await markedForAnother(engine, origin)) ??
      // What was linked once is no create that nobody knew of.
      (tombstone ? undefined : await lateCreate(work, origin, intents)));
  if (foreign) return show(work, 'ambiguous', foreign);
  if (tombstone?.kind === 'deleted') {
    const revived = await revive(work, origin, tombstone);
    if (revived) return revived;
  }
  const parents = await linkParents(work, origin);
  if (parents) return parents;
  return matchOrCreate(work, origin);
}

const finished = (message: OutcomeMessage, because: string, isNews = true): Handled => ({
  did: 'finished',
  message,
  because,
  ...(!isNews && { again: true }),
});

/** Shown until something about the record changes. */
async function show({ engine, doorbell }: Work, state: RecordState, reason: string): Promise<Handled> {
  const isNews = await setRecordState(engine, doorbell, state, reason);
  return finished(`record ${state}`, reason, isNews);
}

/** Why its link ended was said when it did, and is no news again. */
async function showSurvivor(work: Work): Promise<Handled> {
  const shown = await recordStateOf(work.engine, work.doorbell);
  return show(work, 'unlinked', shown?.state === 'unlinked' ? shown.reason : 'deleted on the other side');
}

/** "Not found" proves nothing at first: a lagging replica, or no rights. In the end there is nothing to make a counterpart for. */
async function missing(work: Work): Promise<Handled> {
  const { engine, doorbell } = work;
  if (await isNotedGone(engine, doorbell)) return neverLinked(work);
  const unproven = await awaitProof(work, doorbell);
  if (unproven) return unproven;
  await noteGone(engine, doorbell);
  await wake(engine, `parent#${refKey(doorbell)}`);
  return neverLinked(work);
}

/** What matched does not show: it shows again, or is proven to be gone, and then matches nothing any more. */
async function awaitSight(work: Work, ref: RecordRef): Promise<Handled> {
  const unproven = await awaitProof(work, ref);
  if (unproven) return unproven;
  await forgetKeys(work.engine, ref);
  return busy(work.engine);
}

/** "Not found" must be said twice, beside a record that shows, or by Customcrm for an hour. Undefined when that is so. */
async function awaitProof({ engine, doorbell, call }: Work, gone: RecordRef): Promise<Handled | undefined> {
  const key = `not-found#${refKey(gone)}`;
  const now = engine.clock.now();
  const since = (await parkedSince(engine, doorbell, key)) ?? now;
  const absence = gone.system === 'wave' ? await absenceInWave(engine, gone, call) : now > since + hourMs;
  if (absence === 'living') return busy(engine);
  return absence && now >= since + secondLookMs
    ? undefined
    : { did: 'parked', cause: { name: 'not-found', key, due: now + secondLookMs } };
}

/** Waits until an open create of somebody else is closed; what a person must decide first is shown. */
async function waitBehind({ engine, doorbell }: Work, intent: Intent): Promise<Handled> {
  const cause = fenced(engine, intent);
  if (cause.shows !== undefined) await setRecordState(engine, doorbell, 'ambiguous', cause.shows);
  return { did: 'parked', cause };
}

/** A suspect of a create that ended ambiguous waits for the person who decides about that. */
const fenced = ({ clock, settings }: Engine, { origin, sentAt, lookAgainAt }: Intent): Cause => ({
  name: 'fence',
  key: fenceKey(origin),
  due: Math.max(clock.now() + 30_000, sentAt + 2 * settings.settleMs, (lookAgainAt ?? 0) + 60_000),
  ...(lookAgainAt !== undefined && { shows: `may be the result of the create for ${refKey(origin)}` }),
});

/**
 * A create that was given up, or waits for a person, and made something like this record, perhaps much later than anybody waited: for
 * somebody who needs no counterpart any more.
 * @param open creates into this system whose outcome is not known
 */
async function lateCreate(
  { engine, call }: Work,
  record: Snapshot,
  open: readonly Intent[],
): Promise<string | undefined> {
  const ambiguous = open.filter(({ suspects }) => suspects);
  for (const intent of [...ambiguous, ...(await closedIntentsInto(engine, record.system, record.pair))]) {
    if (record.createdAt < earliestResult(engine, intent)) continue;
    const known = (await alikesOf(engine, intent)).get(record.id);
    const likeness = known ?? (await likenessOf(engine, intent, record, call));
    // One that its user has changed by now is only doubted when it is not much younger than the create, and that may still have another result.
    if (likeness === 'common' || likeness === 'little') continue;
    const isTooYoung = record.createdAt >= sentThere(intent) + hourMs;
    if (likeness === 'some' && (intent.foundAll || isTooYoung)) continue;
    const because = ambiguous.includes(intent)
      ? 'waits for a person'
      : await needsNoCounterpart(engine, intent.origin);
    if (because === undefined) continue;
    // Its user may edit it: it stays what it was when it was first seen.
    if (!known) await noteAlike(engine, intent, record.id, likeness);
    return `may be the late result of the create for ${refKey(intent.origin)}, which ${because}`;
  }
  return undefined;
}

/** When a create was sent, by the clock of the system that it was sent to, ms. */
const sentThere = ({ sentAt, clockAheadMs = 0 }: Intent): number => sentAt + clockAheadMs;

async function needsNoCounterpart(engine: Engine, origin: RecordRef): Promise<string | undefined> {
  if ((await counterpartOf(engine.table, origin)) !== undefined) return 'is linked already';
  const tombstone = await tombstoneOf(engine.table, origin);
  if (tombstone?.kind === 'survivor') return 'has lost its own';
  return tombstone || (await isNotedGone(engine, origin)) ? 'is gone' : undefined;
}

/** Customcrm's `ExternalId` names a Wave record that has another counterpart: perhaps a copy, never a new record to import. */
async function markedForAnother(engine: Engine, origin: Snapshot): Promise<string | undefined> {
  const named = markedRef(origin);
  if (!named) return undefined;
  const isLinked = (await counterpartOf(engine.table, named)) !== undefined;
  return isLinked ? `carries the marker of ${refKey(named)}, which is linked already` : undefined;
}

/** A deleted record lives again: its survivor still waits for it, so their link does too. */
async function revive(
  work: Work,
  origin: Snapshot,
  { other, link }: Tombstone,
): Promise<Handled | undefined> {
  const { engine, call } = work;
  const waiting = await tombstoneOf(engine.table, other);
  const reading = await engine.systems[other.system].read(other.pair, other.id, call);
  const mayRevive = waiting?.kind === 'survivor' && refKey(waiting.other) === refKey(origin);
  const unproven = mayRevive && reading.state === 'not-found' && (await awaitProof(work, other));
  if (unproven) return unproven;
  if (!mayRevive || reading.state !== 'living') {
    await engine.table.write([removeTombstone(origin)]);
    return undefined;
  }
  const revived: Link = { ...link, revision: link.revision + 1, state: 'in-sync', reasons: [] };
  const written = await engine.table.write([
    ...newLinkWrites(revived),
    stillHeld(work.lease),
    noOpenIntent(origin),
    noOpenIntent(other),
    removeTombstone(origin),
    removeTombstone(other),
  ]);
  if (!written.done) return busy(engine);
  return afterLink(work, revived, origin, reading.snapshot);
}

/** Deleted without ever having had a counterpart; who waits for it as a parent is told so. */
async function neverLinked({ engine, doorbell }: Work): Promise<Handled> {
  await forgetKeys(engine, doorbell);
  await setRecordState(engine, doorbell, undefined, '');
  return finished('nothing to do', deletedUnlinked);
}

/** Gone while the outcome of its create is unknown: the result, when there is one, is linked, so that the deletion finds it. */
async function abandon(work: Work, intent: Intent): Promise<Handled> {
  const { engine, call, lease } = work;
  const now = engine.clock.now();
  if (now < intent.sentAt + engine.settings.settleMs)
    return { did: 'parked', cause: settling(engine, intent) };
  const found = await lookUp(engine, intent, call);
  if (found.found === 'ambiguous') return suspectsOf(work, intent, found);
  if (found.found === 'one') {
    const gone = { ...intent.origin, createdAt: 0, modifiedAt: 0, body: {} };
    const bare = newLink(engine, gone, found.snapshot, 'created');
    const link = { ...bare, agreed: await agreedWithoutOrigin(engine, intent, found.snapshot, bare, call) };
    const linked = await engine.table.write([
      ...newLinkWrites(link),
      stillHeld(lease),
      ...closeWrites(engine, { ...intent, lookedUpAt: now }),
    ]);
    return linked.done ? busy(engine) : { did: 'parked', cause: settling(engine, intent) };
  }
  const unproven = await notedLook(work, intent, now);
  if (unproven) return unproven;
  // Should the target execute it later still, its result is nobody's: it must not come back.
  await noteGone(engine, intent.origin);
  await close(work, intent);
  return busy(engine);
}

/** Nothing came of a create: what waits behind it goes on. */
async function close({ engine, lease }: Work, intent: Intent): Promise<void> {
  await engine.table.write([stillHeld(lease), ...closeWrites(engine, intent)]);
  await wake(engine, fenceKey(intent.origin));
}

const busy = ({ clock }: Engine): Handled => ({
  did: 'parked',
  cause: { name: 'busy', key: 'busy', due: clock.now() },
});

const lookedTwice = ({ settings }: Engine, intent: Intent, now: number): boolean =>
  intent.lookedUpAt !== undefined && now >= intent.lookedUpAt + settings.lookupPauseMs;

/** More than one record may be the result: they are held until a person says which, and nothing else is. */
async function suspectsOf(
  { engine, lease, doorbell }: Work,
  intent: Intent,
  { suspects, reason }: Extract<Found, { found: 'ambiguous' }>,
): Promise<Handled> {
  const known = JSON.stringify(intent.suspects) === JSON.stringify(suspects);
  const lookAgainAt = engine.clock.now() + hourMs;
  const held = { ...intent, ...(suspects.length > 0 && { suspects }), lookAgainAt };
  await updateIntent(engine, intent, held, lease);
  if (!known) await wake(engine, fenceKey(intent.origin));
  const isNews = await setRecordState(engine, doorbell, 'ambiguous', reason);
  return finished('record ambiguous', reason, isNews);
}

/** A look-up found nothing: once is not enough, and an empty answer must show that it sees anything at all. Undefined when it was the second. */
async function notedLook(
  { engine, lease, call }: Work,
  intent: Intent,
  now: number,
): Promise<Handled | undefined> {
  const intoWave = intent.origin.system === 'customcrm';
  if (intoWave && !(await waveShowsOthers(engine, intent.origin, call)))
    return { did: 'parked', cause: { ...settling(engine, intent), due: now + engine.settings.settleMs } };
  if (lookedTwice(engine, intent, now)) return undefined;
  const lookedUpAt = intent.lookedUpAt ?? now;
  await updateIntent(engine, intent, { ...intent, lookedUpAt }, lease);
  const due = lookedUpAt + engine.settings.lookupPauseMs;
  return { did: 'parked', cause: { name: 'settle', key: `settle#${refKey(intent.origin)}`, due } };
}

/** Customer first, then products in id order, each by this same routine. */
async function linkParents(work: Work, origin: Snapshot): Promise<Handled | undefined> {
  const { engine } = work;
  for (const parent of mappings[origin.pair].parents(origin.system, origin.body, engine.settings.mapping)) {
    if ((await counterpartOf(engine.table, parent)) !== undefined) continue;
    const waits = await linkParent(work, parent);
    if (waits) return waits;
  }
  return undefined;
}

/** What the record waits for, and shows when a person must do something about its parent; undefined once the parent is linked. */
async function linkParent(
  { engine, doorbell, linkParent }: Work,
  parent: RecordRef,
): Promise<Handled | undefined> {
  const linked = await linkParent(parent);
  if (linked.did !== 'parked') return undefined;
  if (linked.cause.shows !== undefined) await setRecordState(engine, doorbell, 'blocked', linked.cause.shows);
  return linked;
}

async function matchOrCreate(work: Work, origin: Snapshot): Promise<Handled> {
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
  if (match.found === 'one') return linkUniqueMatch(work, origin);
  const tombstone = await tombstoneOf(engine.table, origin);
  if (tombstone?.kind === 'survivor' && !beginsNewLife(tombstone, origin)) return showSurvivor(work);
  const facts = await gatherFacts(engine, origin.pair, { [origin.system]: origin.body }, call);
  const creation = composeCreate(mappings[origin.pair], origin.system, origin.body, facts);
  if ('blocked' in creation) return show(work, 'blocked', creation.blocked);
  if ('waitFor' in creation) return (await linkParent(work, creation.waitFor)) ?? busy(engine);
  const now = engine.clock.now();
  const intent: Intent = {
    origin: { system: origin.system, pair: origin.pair, id: origin.id },
    opId: engine.newId(),
    bodyHash: bodyHash(creation.body),
    sent: sentBy(engine, origin, creation, facts),
    startedAt: now,
    clockAheadMs: await clockAhead(engine, target),
    sentAt: now,
    attempts: 1,
    keys: keysOf(engine, origin).flatMap((key) => hashesOf(engine, key)),
  };
  const opened = await openIntent(engine, intent, work.lease);
  if (opened.opened) return create(work, origin, intent, creation);
  const rival = opened.blockedBy && (await findIntent(engine, opened.blockedBy));
  return rival ? waitBehind(work, rival) : busy(engine);
}

/** Cancelled orders come back by being edited; an older picture than the cancelled one is a lagging one. */
const beginsNewLife = ({ newLifeAfter }: Tombstone, { version }: Snapshot): boolean =>
  newLifeAfter !== undefined && Number(version) > Number(newLifeAfter);

const polled = ({ clock }: Engine, system: System): Cause => ({
  name: 'poll',
  key: pollKey(system),
  due: clock.now() + 10 * 60_000,
});

/** Looked for again now that both systems are known up to the doorbell: a rival on our own side makes the match ambiguous. */
async function linkUniqueMatch(work: Work, origin: Snapshot): Promise<Handled> {
  const match = await findMatch(work.engine, origin, work.call);
  if (match.found === 'one') return linkMatch(work, origin, match.snapshot);
  return match.found === 'ambiguous' ? show(work, 'ambiguous', match.reason) : busy(work.engine);
}

const sentBy = (engine: Engine, origin: Snapshot, creation: Sendable, facts: Facts): RowPrints =>
  printsSent(
    mappings[origin.pair],
    otherSystem(origin.system),
    creation,
    facts,
    printsOfIntent(engine, origin),
  );

const bodyHash = (body: unknown): string =>
  createHash('sha256').update(JSON.stringify(body)).digest('base64url');

type Sendable = { readonly body: Snapshot['body']; readonly rows: readonly string[] };

/** The one remote create. Any definite answer closes the intent; without one it stays open, and nothing is concluded. */
async function create(work: Work, origin: Snapshot, intent: Intent, creation: Sendable): Promise<Handled> {
  const { engine, call } = work;
  const target = otherSystem(origin.system);
  const marked =
    target === 'customcrm' ? { ...creation.body, ExternalId: `wave:${origin.id}` } : creation.body;
  let made: Snapshot;
  try {
    made = await engine.systems[target].create(origin.pair, marked, intent.opId, call);
  } catch (error) {
    return notMade(work, intent, error);
  }
  // What goes wrong from here on says nothing about the create: its intent stays open, and the result will be found.
  return linkUp(work, origin, { snapshot: made, isOurs: true, known: creation }, intent);
}

async function notMade(work: Work, intent: Intent, error: unknown): Promise<Handled> {
  const { engine } = work;
  if (error instanceof RemoteOutcomeUnknownError) return { did: 'parked', cause: settling(engine, intent) };
  if (!isDefinite(error)) throw error;
  await close(work, intent);
  if (error instanceof RemoteRejectedError) return show(work, 'blocked', error.message);
  if (error instanceof RemoteMissingError) return namesNothing(work, intent);
  throw error;
}

/** What it names there, such as its customer, is gone: that will be heard of, and then shown; or it only lags. */
const namesNothing = ({ engine }: Work, { origin }: Intent): Handled => ({
  did: 'parked',
  cause: {
    name: 'not-found',
    key: `names-nothing#${refKey(origin)}`,
    due: engine.clock.now() + secondLookMs,
  },
});

const isDefinite = (error: unknown): boolean => error instanceof Error && 'retryable' in error;

const settling = (engine: Engine, intent: Intent): Cause => ({
  name: 'settle',
  key: `settle#${refKey(intent.origin)}`,
  due: intent.sentAt + engine.settings.settleMs,
});

/** An attempt of an earlier invocation never told its outcome. Wait, look twice, and only then try again. */
async function resume(
  work: Work,
  origin: Snapshot,
  intent: Intent,
  excluded: string | undefined,
): Promise<Handled> {
  const { engine, call } = work;
  const now = engine.clock.now();
  if (now < intent.sentAt + engine.settings.settleMs)
    return { did: 'parked', cause: settling(engine, intent) };
  const found = await lookUp(engine, intent, call, origin);
  if (found.found === 'ambiguous') return suspectsOf(work, intent, found);
  if (found.found === 'one') {
    const known = await knownRows(engine, intent, origin, found, call);
    const foundAll = found.isOurs && intent.attempts === 1;
    return linkUp(
      work,
      origin,
      { ...found, known },
      { ...intent, lookedUpAt: now, ...(foundAll && { foundAll }) },
    );
  }
  const unproven = await notedLook(work, intent, now);
  if (unproven) return unproven;
  if (excluded === undefined) return repeat(work, origin, intent);
  // It must not get one any more.
  await close(work, intent);
  return show(work, 'excluded', excluded);
}

/** Nothing came of the attempt before. When nothing can be sent now either, the intent has no reason to stay open. */
async function repeat(work: Work, origin: Snapshot, intent: Intent): Promise<Handled> {
  const { engine, call } = work;
  const now = engine.clock.now();
  const facts = await gatherFacts(engine, origin.pair, { [origin.system]: origin.body }, call);
  const creation = composeCreate(mappings[origin.pair], origin.system, origin.body, facts);
  if (!('body' in creation)) {
    await close(work, intent);
    return 'blocked' in creation
      ? show(work, 'blocked', creation.blocked)
      : ((await linkParent(work, creation.waitFor)) ?? busy(engine));
  }
  const { lookedUpAt: _lookedUpAt, suspects: _suspects, lookAgainAt: _lookAgainAt, ...rest } = intent;
  const again: Intent = {
    ...rest,
    ...sameOperation(engine, intent, creation.body),
    keys: [...new Set([...intent.keys, ...keysOf(engine, origin).flatMap((key) => hashesOf(engine, key))])],
    sent: sentBy(engine, origin, creation, facts),
    sentAt: now,
    attempts: intent.attempts + 1,
  };
  if (!(await updateIntent(engine, intent, again, work.lease)))
    return { did: 'parked', cause: settling(engine, intent) };
  return create(work, origin, again, creation);
}

/** The same body goes out under the same key; another body would be refused under it. */
const sameOperation = (engine: Engine, intent: Intent, body: unknown) =>
  bodyHash(body) === intent.bodyHash ? {} : { opId: engine.newId(), bodyHash: bodyHash(body) };

/** Links a record that was found, without a create. Only what is equal is agreed: the first plan says what flows. */
async function linkMatch(work: Work, origin: Snapshot, counterpart: Snapshot): Promise<Handled> {
  const bare = newLink(work.engine, origin, counterpart, 'matched');
  const pictured = await picture(work.engine, bare, bothOf(origin, counterpart), work.call);
  const link = {
    ...bare,
    agreed: agreedAtLink(pictured).agreed,
    answered: answeredAfter(work.engine, bare, [origin, counterpart]),
  };
  const written = await work.engine.table.write([
    ...newLinkWrites(link),
    stillHeld(work.lease),
    noOpenIntent(origin),
    noOpenIntent(counterpart),
    removeTombstone(origin),
    removeTombstone(counterpart),
  ]);
  if (!written.done) return busy(work.engine);
  return afterLink(work, link, origin, counterpart);
}

interface Result {
  readonly snapshot: Snapshot;
  /** Otherwise it is perhaps somebody's own record, of which a create says less. */
  readonly isOurs: boolean;
  readonly known: KnownRows;
}

/** Links what was created, or found again, and drops the intent: one transaction. */
async function linkUp(
  work: Work,
  origin: Snapshot,
  { snapshot: made, isOurs, known }: Result,
  intent: Intent,
): Promise<Handled> {
  const { engine, call } = work;
  const bare = newLink(engine, origin, made, isOurs ? 'created' : 'matched');
  const both = bothOf(origin, made);
  const pictured = await picture(engine, bare, both, call);
  const { agreed, lost } = isOurs
    ? { agreed: agreedAfterCreate(pictured, origin.system, known), lost: [] }
    : agreedAtLink(pictured, known.edited);
  const link = {
    ...bare,
    agreed,
    marked: made.system === 'customcrm',
    answered: answeredAfter(engine, bare, [origin, made]),
  };
  const written = await engine.table.write([
    ...newLinkWrites(link),
    stillHeld(work.lease),
    ...closeWrites(engine, intent),
    removeTombstone(origin),
    ...keepLosers(engine, both.customcrm, lost),
  ]);
  if (!written.done) return { did: 'parked', cause: settling(engine, intent) };
  reportLosers(engine, work.doorbell, made.id, lost);
  return afterLink(work, link, origin, made);
}

async function afterLink(work: Work, link: Link, origin: Snapshot, counterpart: Snapshot): Promise<Handled> {
  const { engine } = work;
  await indexKeys(engine, counterpart);
  for (const ref of [origin, counterpart]) await wake(engine, `parent#${refKey(ref)}`);
  await wake(engine, fenceKey(origin));
  // The link's lease is that of its Customcrm record: a worker who came from Wave takes it now.
  const both = bothOf(origin, counterpart);
  const applied = await work.underLease(both.customcrm, (lease) =>
    applyChange({ ...work, lease }, link, both),
  );
  if (applied.did === 'parked') return applied;
  const { editedAt: _editedAt, ...outcome } = applied;
  // What was there before its pair was started has not waited for us since it was edited.
  const began = (await startedAt(engine, link.pair)) ?? (await firstStart(engine)) ?? 0;
  return {
    ...outcome,
    message: link.history[0]?.did === 'created' ? 'counterpart created' : 'records linked',
    counterpart: counterpart.id,
    ...(origin.modifiedAt > began && { editedAt: origin.modifiedAt }),
  };
}

const bothOf = (origin: Snapshot, other: Snapshot) =>
  origin.system === 'customcrm' ? { customcrm: origin, wave: other } : { customcrm: other, wave: origin };

/** Two unlinked records as one link. Nothing is agreed yet. */
export function newLink(
  engine: Engine,
  origin: Snapshot,
  counterpart: Snapshot,
  did: 'matched' | 'created',
): Link {
  const { customcrm, wave } = bothOf(origin, counterpart);
  return {
    id: engine.newId(),
    pair: origin.pair,
    customcrmId: customcrm.id,
    waveId: wave.id,
    revision: 1,
    agreed: nothingAgreed,
    observed: {},
    marked: false,
    state: 'in-sync',
    reasons: [],
    history: [{ at: engine.clock.now(), eventId: 'link', did, rows: [] }],
  };
}
