import type { Link } from '../domain/link.ts';
import type { RecordRef, Snapshot } from '../domain/record.ts';
import { RemoteUnavailableError } from '../errors.ts';
import type { Engine } from './engine.ts';
import type { Doorbell, Reading } from './ports.ts';
import type { Tombstone } from './tombstones.ts';

/** No replica lags longer: a picture that is still older then is the truth, of a system that was restored from a backup, ms. */
const longestLagMs = 3600_000;

/** What tells how old a picture of a record is. */
type Picture = Pick<Snapshot, 'system' | 'id' | 'version' | 'modifiedAt'>;

/** What grows with every change of a record: Customcrm's version, Wave's `modifiedAt` in ms. Undefined where none is shown. */
export function pictureStamp({ system, version, modifiedAt }: Omit<Picture, 'id'>): number | undefined {
  const stamp = system === 'wave' ? modifiedAt : Number(version ?? Number.NaN);
  return Number.isFinite(stamp) ? stamp : undefined;
}

/** Is this picture from before the one that we agreed on not long ago? */
export function isOlderThanAgreed(
  now: number,
  snapshot: Picture,
  { answered, history }: Pick<Link, 'answered' | 'history'>,
): boolean {
  const stamp = pictureStamp(snapshot);
  const since = answered?.at ?? history[0]?.at ?? 0;
  return stamp !== undefined && now - since < longestLagMs && stamp < (answered?.[snapshot.system] ?? 0);
}

/**
 * A picture from before the one that we agreed on, or from before what the doorbell heard of, is a lagging replica's: taken at its word
 * it would look like a user's edit, or hide one. @throws RemoteUnavailableError, after which the record is read again
 */
function throwIfLagging(
  { clock }: Engine,
  doorbell: Doorbell,
  snapshot: Picture,
  link?: Pick<Link, 'answered' | 'history'>,
): void {
  const stamp = pictureStamp(snapshot);
  const heard =
    doorbell.system === snapshot.system &&
    doorbell.id === snapshot.id &&
    clock.now() - (doorbell.seenAt ?? doorbell.at) < longestLagMs
      ? doorbell.seen
      : undefined;
  const isOlderThanHeard = stamp !== undefined && heard !== undefined && stamp < heard;
  if (isOlderThanHeard || (link && isOlderThanAgreed(clock.now(), snapshot, link)))
    throw new RemoteUnavailableError(snapshot.system, 'it shows an older picture than before');
}

/**
 * What was deleted not long ago, and shows as it was before that, is a lagging replica's: what truly lives again has moved since.
 * @throws RemoteUnavailableError, after which the record is read again
 */
export function throwIfFromBefore(
  { clock }: Engine,
  snapshot: Snapshot,
  { at, link }: Pick<Tombstone, 'at' | 'link'>,
): void {
  const stamp = pictureStamp(snapshot) ?? Number.POSITIVE_INFINITY;
  if (clock.now() - at < longestLagMs && stamp <= (link.answered?.[snapshot.system] ?? -1))
    throw new RemoteUnavailableError(snapshot.system, 'it shows a picture from before its deletion');
}

/** The same of a read: that a record is deleted may be said by a replica that has not seen it restored. */
export function throwIfReadLags(
  engine: Engine,
  doorbell: Doorbell,
  { system, id }: RecordRef,
  reading: Reading,
  link?: Pick<Link, 'answered' | 'history'>,
): void {
  if (reading.state === 'living') throwIfLagging(engine, doorbell, reading.snapshot, link);
  if (reading.state !== 'deleted' || reading.version === undefined) return;
  throwIfLagging(engine, doorbell, { system, id, version: reading.version, modifiedAt: Number.NaN }, link);
}
