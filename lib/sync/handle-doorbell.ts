import { type Link, refOf } from '../domain/link.ts';
import type { ObservedAt } from '../domain/policy.ts';
import { otherSystem, type RecordRef, refKey, systems } from '../domain/record.ts';
import { pauseFor } from '../errors.ts';
import { applyChange } from './apply-change.ts';
import { createCounterpart, survivorAlone } from './create-counterpart.ts';
import { type Cause, type Engine, type Handled, lineOf, type OutcomeLine } from './engine.ts';
import { linkKey } from './keys.ts';
import { type Lease, leaseCause, notGivenBack, releaseLease, takeLease } from './leases.ts';
import { wakeBehind } from './link-up.ts';
import { counterpartOf, findLink, isAtItsBeginning } from './links.ts';
import {
  grownPause,
  longestPauseMs,
  type Parked,
  park,
  parkedNow,
  timesParked,
  unpark,
  waitsSince,
  wake,
} from './parking.ts';
import { standsStill } from './pause.ts';
import type { Call, Doorbell } from './ports.ts';
import { noLongerFailed, recordStateOf } from './record-state.ts';
import { lastSighting, type Sighted } from './sighting.ts';
import { isStarted, isStartedNow, noteEarly } from './started-pairs.ts';
import { deletedUnlinked } from './unlinked-record.ts';
import type { Work } from './work.ts';

const ownEcho = 'echo';
/** Tries of one doorbell within one invocation, before the record is parked. */
const tries = 3;
const firstPauseMs = 200;
/** A child of a deleted parent is looked at once a day; a parent that is linked again wakes it at once. */
const dayMs = 24 * 3600_000;

/**
 * Deals with one doorbell: the record is finished, or parked with a cause. Only a failing table makes it throw; then the message
 * comes again.
 */
export async function handleDoorbell(engine: Engine, doorbell: Doorbell, call: Call): Promise<Handled> {
  const waited: Waited = new Map();
  return settle(engine, doorbell, await tryThreeTimes(engine, doorbell, call, waited), waited);
}

/** How the records of a doorbell waited before they were read: what is parked meanwhile saw something newer, and goes on waiting. */
type Waited = Map<string, Parked>;

async function notedWaiting(engine: Engine, waited: Waited, ref: RecordRef): Promise<Parked> {
  const parked = await parkedNow(engine, ref);
  waited.set(refKey(ref), parked);
  return parked;
}

/** Parks or unparks the record, and says what came of its doorbell. */
async function settle(
  engine: Engine,
  doorbell: Doorbell,
  handled: Handled,
  waited: Waited,
): Promise<Handled> {
  const settled = await putAway(engine, doorbell, handled, waited);
  if (settled.did === 'parked')
    engine.report({
      ...lineOf(doorbell),
      lagMs: lagOf(engine, doorbell),
      message: 'record waits',
      because: settled.cause.name,
      ...shownWhileWaiting(settled.cause, waited.get(refKey(doorbell))),
    });
  else {
    const { did: _did, editedAt, waits: _waits, ...outcome } = settled;
    engine.report({ ...lineOf(doorbell), lagMs: lagOf(engine, doorbell, editedAt), ...outcome });
  }
  return settled;
}

/** What a waiting record shows all the same: no news, when it waited and showed just that before. */
function shownWhileWaiting({ shows, because }: Cause, before: Parked): Pick<OutcomeLine, 'reason' | 'again'> {
  if (shows === undefined) return because === undefined ? {} : { reason: because };
  return { reason: shows, ...(before?.shows === shows && { again: true }) };
}

/**
 * From the edit on. One that was heard of more than a day late is none, as every record is swept once a day: it was there before anybody
 * looked, and counts from then on. Clocks differ, and no lag is below nothing.
 */
function lagOf(
  { clock }: Engine,
  { at, updatedAt = '' }: Doorbell,
  editedAt: number = Date.parse(updatedAt),
): number {
  const since = editedAt > at - dayMs ? Math.min(at, editedAt) : at;
  return Math.max(0, clock.now() - since);
}

async function putAway(
  engine: Engine,
  doorbell: Doorbell,
  handled: Handled,
  waited: Waited,
): Promise<Handled> {
  const cause = handled.did === 'parked' ? handled.cause : handled.waits;
  if (!cause) {
    // Our own echo says nothing about what the record waits for.
    if (handled.did === 'finished' && handled.because !== ownEcho)
      await unparkBoth(engine, doorbell, handled.counterpart, waited);
    return handled;
  }
  if (wasRead.has(cause.name)) await noLongerFailed(engine, doorbell);
  const parked = await park(engine, doorbell, cause);
  // The cause went away while we were at it: ring again instead of waiting for nobody.
  if (!parked)
    await engine.queues[doorbell.system].ring([
      {
        ...doorbell,
        eventId: `again:${engine.newId()}`,
        causedBy: doorbell.causedBy ?? doorbell.eventId,
      },
    ]);
  return handled;
}

/** Who waits for these was read before: it does not fail any more. */
const wasRead: ReadonlySet<Cause['name']> = new Set(['parent', 'fence', 'fuse']);

/** Either half of a link may have been put aside, or have failed; both were looked at now. */
async function unparkBoth(
  engine: Engine,
  { system, pair, id }: RecordRef,
  counterpart: string | undefined,
  waited: Waited,
): Promise<void> {
  const halves = [{ system, pair, id }];
  if (counterpart !== undefined) halves.push({ system: otherSystem(system), pair, id: counterpart });
  // What shows a state without a link has just been judged; of a link only that it failed stands beside it.
  const mended = counterpart === undefined ? [] : halves.map((half) => noLongerFailed(engine, half));
  const parked = halves.map((half) => ({ half, seen: waited.get(refKey(half)) }));
  await Promise.all([...parked.map(({ half, seen }) => seen && unpark(engine, half, seen)), ...mended]);
}

async function tryThreeTimes(
  engine: Engine,
  doorbell: Doorbell,
  call: Call,
  waited: Waited,
): Promise<Handled> {
  for (let attempt = 1; ; attempt++) {
    try {
      const handled = await handleOnce(engine, doorbell, call, waited);
      if (attempt === tries || !(await isHeld(engine, doorbell, handled))) return handled;
      await engine.clock.sleep(firstPauseMs * attempt);
    } catch (error) {
      const pause = pauseFor(error);
      if (!pause) throw error;
      if (attempt === tries || pause.name === 'reconnect' || pause.afterMs !== undefined)
        return unavailable(engine, doorbell, pause);
      await engine.clock.sleep(firstPauseMs * attempt);
    }
  }
}

/**
 * Has somebody else the record itself? He is mostly about to give it back, and it may be his own write that rang: seen once he has noted
 * it, that is an echo, and needs no look.
 */
async function isHeld(engine: Engine, doorbell: Doorbell, handled: Handled): Promise<boolean> {
  if (handled.did !== 'parked' || handled.cause.name !== 'lease') return false;
  const { system, pair } = doorbell;
  const id = await counterpartOf(engine.table, doorbell);
  const other = id === undefined ? [] : [{ system: otherSystem(system), pair, id }];
  return [doorbell, ...other].some((ref) => leaseCause(ref) === handled.cause.key);
}

async function unavailable(
  engine: Engine,
  doorbell: Doorbell,
  pause: NonNullable<ReturnType<typeof pauseFor>>,
): Promise<Handled> {
  const grown = grownPause(await timesParked(engine, doorbell, pause.name));
  // Who says how long to wait is believed: for a slot of the budget a growing pause would leave slots unused.
  const due = engine.clock.now() + (pause.afterMs ?? grown);
  return { did: 'parked', cause: { name: pause.name, key: pause.name, due, because: pause.because } };
}

async function handleOnce(engine: Engine, doorbell: Doorbell, call: Call, waited: Waited): Promise<Handled> {
  const paused = await standsStill(engine, doorbell);
  if (paused) return paused;
  const link = await findLink(engine.table, doorbell);
  if (link && isOwnEcho(link, doorbell))
    return { did: 'finished', message: 'nothing to do', because: ownEcho };
  if (link)
    return (
      (await standsStill(engine, refOf(link, otherSystem(doorbell.system)))) ??
      handleLinked(engine, doorbell, link, call, waited)
    );
  if (!(await isStarted(engine, doorbell.pair)) && !(await isStartedNow(engine, doorbell.pair))) {
    // It may have waited for a pause, and does not any more.
    await notedWaiting(engine, waited, doorbell);
    await noteEarly(engine, doorbell);
    return { did: 'finished', message: 'change dropped', because: 'pair not started' };
  }
  return underLease(engine, doorbell, call, async (lease) => {
    await notedWaiting(engine, waited, doorbell);
    return createCounterpart(workOf(engine, doorbell, call, lease, waited));
  });
}

/** Only Customcrm has versions that tell our own write apart, and only when its time agrees as well. */
const isOwnEcho = (link: Link, { version, updatedAt }: Doorbell): boolean =>
  version !== undefined &&
  updatedAt !== undefined &&
  link.agreedVersion === version &&
  link.agreedUpdatedAt === Date.parse(updatedAt);

function handleLinked(
  engine: Engine,
  doorbell: Doorbell,
  link: Link,
  call: Call,
  waited: Waited,
): Promise<Handled> {
  return underLease(engine, refOf(link, 'customcrm'), call, async (lease) => {
    const current = await findLink(engine.table, doorbell);
    if (!current) return { did: 'parked', cause: { name: 'busy', key: 'busy', due: engine.clock.now() } };
    // Who linked it may have died before he woke them.
    if (isAtItsBeginning(current))
      await wakeBehind(
        engine,
        systems.map((system) => refOf(current, system)),
      );
    const work = workOf(engine, doorbell, call, lease, waited);
    const other = otherSystem(doorbell.system);
    const sighted = await lastSighting(engine, current, other);
    const heard = await heardOf(engine, doorbell, current, waited, sighted?.isSince ? sighted.at : undefined);
    const told = sighted && toldOf(refOf(current, other), doorbell, sighted);
    return applyChange({ ...work, heard, ...(told && { told }) }, current);
  });
}

const toldOf = (other: RecordRef, { eventId }: Doorbell, { at, seen }: Sighted): Doorbell => ({
  ...other,
  eventId,
  at,
  ...(seen !== undefined && { seen }),
});

/**
 * This doorbell is not all that was heard: one for the other half may wait, or be under way from a poll.
 * @param sightedAt when a poll has rung for the other half, ms
 */
async function heardOf(
  engine: Engine,
  doorbell: Doorbell,
  link: Link,
  waited: Waited,
  sightedAt: number | undefined,
): Promise<ObservedAt> {
  const heard = systems.map(async (system) => {
    const times = await Promise.all([
      notedWaiting(engine, waited, refOf(link, system)).then(waitsSince),
      system === doorbell.system ? doorbell.at : sightedAt,
    ]);
    const known = times.filter((at) => at !== undefined);
    return known.length > 0 ? [[system, Math.min(...known)]] : [];
  });
  return Object.fromEntries((await Promise.all(heard)).flat());
}

function workOf(engine: Engine, doorbell: Doorbell, call: Call, lease: Lease, waited: Waited): Work {
  const tried = new Map<string, Handled>();
  return {
    engine,
    doorbell,
    lease,
    call,
    readAt: engine.clock.now(),
    waited,
    heard: { [doorbell.system]: doorbell.at },
    // Once: it may take longer than what was read before stays young enough to be written from.
    async linkParent(parent) {
      const known = tried.get(refKey(parent));
      if (known) return known;
      const handled = await linkParent(engine, doorbell, parent, call);
      if (handled.did === 'parked' && handled.cause.name !== 'lease') tried.set(refKey(parent), handled);
      return handled;
    },
    underLease: (ref, run) =>
      refKey(ref) === refKey(lease.ref) ? run(lease) : underLease(engine, ref, call, run),
  };
}

/** Parents have no parents, so this goes one level deep. What waits for a deleted parent is shown as blocked. */
async function linkParent(engine: Engine, child: Doorbell, parent: RecordRef, call: Call): Promise<Handled> {
  const { system, pair, id } = parent;
  const doorbell: Doorbell = {
    system,
    pair,
    id,
    eventId: child.eventId,
    ...(child.causedBy !== undefined && { causedBy: child.causedBy }),
    at: child.at,
    ...(child.background && { background: true }),
  };
  const waited: Waited = new Map();
  const tried = await tryThreeTimes(engine, doorbell, call, waited);
  // Somebody else is at the parent: only the child waits for that. A parent parked by each of its children would be rung with them again and again.
  if (tried.did === 'parked' && tried.cause.name === 'lease') return tried;
  const handled = await settle(engine, doorbell, tried, waited);
  if ((await counterpartOf(engine.table, parent)) !== undefined)
    return { did: 'finished', message: 'parent linked' };
  const shows = await standsInTheWay(engine, parent, handled);
  return {
    did: 'parked',
    cause: {
      name: 'parent',
      key: `parent#${refKey(parent)}`,
      due: engine.clock.now() + (shows === undefined ? longestPauseMs : dayMs),
      while: { check: linkKey(parent), when: 'absent' },
      ...(shows !== undefined && { shows }),
    },
  };
}

/** What a child shows whose parent is gone, or waits for a person; undefined when the parent will be linked by itself. */
async function standsInTheWay(
  engine: Engine,
  parent: RecordRef,
  handled: Handled,
): Promise<string | undefined> {
  if (handled.did === 'parked') {
    if (handled.cause.shows !== undefined) return `its ${parent.pair} waits for a decision`;
  } else if (handled.because === deletedUnlinked || handled.message === survivorAlone)
    return 'parent deleted';
  // What waits for something else may show all the same that a person is needed.
  const shown = await recordStateOf(engine, parent);
  return shown && `its ${parent.pair} is ${shown.state}`;
}

async function underLease(
  engine: Engine,
  ref: RecordRef,
  call: Call,
  run: (lease: Lease) => Promise<Handled>,
): Promise<Handled> {
  const lease: Lease = {
    ref: { system: ref.system, pair: ref.pair, id: ref.id },
    owner: engine.newId(),
    until: call.deadline + engine.settings.leaseReserveMs,
  };
  const answer = await takeLease(engine.table, lease, engine.clock.now());
  if (!answer.taken)
    return {
      did: 'parked',
      cause: { name: 'lease', key: leaseCause(ref), due: answer.until, while: notGivenBack(ref) },
    };
  try {
    return await run(lease);
  } finally {
    // A lease that could not be given back runs out by itself.
    await releaseLease(engine.table, lease)
      .then(() => wake(engine, leaseCause(ref)))
      .catch(() => undefined);
  }
}
