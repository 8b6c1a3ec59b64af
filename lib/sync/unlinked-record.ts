import { type RecordRef, refKey } from '../domain/record.ts';
import { absenceInWave, secondLookMs } from './absence.ts';
import type { Engine, Handled, OutcomeMessage } from './engine.ts';
import { forgetKeys } from './key-index.ts';
import { parkedSince } from './parking.ts';
import { type RecordState, recordStateOf, setRecordState } from './record-state.ts';
import { tombstoneOf } from './tombstones.ts';
import type { Work } from './work.ts';

/** Said of a record that is gone and has no counterpart; who needs it as a parent is blocked by that. */
export const deletedUnlinked = 'deleted, and not linked';

/** Customcrm says 410 for what was deleted; a 404 that lasts this long is not there either, ms. */
export const hourMs = 3600_000;

export const finished = (message: OutcomeMessage, because: string, isNews = true): Handled => ({
  did: 'finished',
  message,
  because,
  ...(!isNews && { again: true }),
});

export const busy = ({ clock }: Engine): Handled => ({
  did: 'parked',
  cause: { name: 'busy', key: 'busy', due: clock.now() },
});

/** Shown until something about the record changes. */
export async function show({ engine, doorbell }: Work, state: RecordState, reason: string): Promise<Handled> {
  const isNews = await setRecordState(engine, doorbell, state, reason);
  return finished(`record ${state}`, reason, isNews);
}

/** "Not found" must be said twice, beside a record that shows, or by Customcrm for an hour. Undefined when that is so. */
export async function awaitProof(
  { engine, doorbell, call }: Work,
  gone: RecordRef,
): Promise<Handled | undefined> {
  const key = `not-found#${refKey(gone)}`;
  const now = engine.clock.now();
  const since = (await parkedSince(engine, doorbell, key)) ?? now;
  const absence = gone.system === 'wave' ? await absenceInWave(engine, gone, call) : now > since + hourMs;
  if (absence === 'living') return busy(engine);
  // While Wave shows nothing at all it has not been said once.
  if (!absence && gone.system === 'wave')
    return { did: 'parked', cause: { name: 'not-found', key: `un${key}`, due: now + secondLookMs } };
  return absence && now >= since + secondLookMs
    ? undefined
    : { did: 'parked', cause: { name: 'not-found', key, due: now + secondLookMs } };
}

/** Rings for another record, in the name and the lane of the doorbell that is handled. */
export async function ringFor({ engine, doorbell }: Work, { system, pair, id }: RecordRef): Promise<void> {
  const { causedBy = doorbell.eventId, at, background } = doorbell;
  const lane = background && { background };
  await engine.queues[system].ring([
    { system, pair, id, eventId: `again:${engine.newId()}`, causedBy, at, ...lane },
  ]);
}

/** Deleted, and not linked any more, if it ever was; who waits for it as a parent is told so. */
export async function neverLinked(work: Work): Promise<Handled> {
  const { engine, doorbell } = work;
  const tombstone = await tombstoneOf(engine.table, doorbell);
  // Whoever ended its link may have died before he rang for what is left.
  if (tombstone && (await recordStateOf(engine, tombstone.other))?.isUnasked)
    await ringFor(work, tombstone.other);
  await forgetKeys(engine, doorbell);
  await setRecordState(engine, doorbell, undefined, '');
  return finished('nothing to do', deletedUnlinked);
}

/** What the record waits for, and shows when a person must do something about its parent; undefined once the parent is linked. */
export async function linkParent(
  { engine, doorbell, linkParent }: Work,
  parent: RecordRef,
): Promise<Handled | undefined> {
  const linked = await linkParent(parent);
  if (linked.did !== 'parked') return undefined;
  if (linked.cause.shows !== undefined) await setRecordState(engine, doorbell, 'blocked', linked.cause.shows);
  return linked;
}
