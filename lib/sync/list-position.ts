import { createHash } from 'node:crypto';
import type { Snapshot } from '../domain/record.ts';
import type { ListPage, ListPosition, Unreadable } from './ports.ts';

/** Walks through the rows of one stamp, at the most. */
const walkLimit = 5;

/** Where a list of Wave's is asked from: a millisecond before, for whether its bound is inclusive is unconfirmed. */
export const boundOf = ({ after, ...rest }: ListPosition): ListPosition => ({
  ...rest,
  after: new Date(Math.max(0, Date.parse(after) - 1)).toISOString(),
});

/** A place that was counted this long ago may be another by now, ms. */
const countHoldsMs = 90_000;

/** A place by its count holds only while the list stands still: after a pause the rows of its stamp are walked anew. */
export const stillCounted = (position: ListPosition, now: number): ListPosition =>
  now - (position.countedAt ?? now) > countHoldsMs ? { after: position.after } : position;

export const countedNow = (position: ListPosition, now: number): ListPosition =>
  position.skip === undefined && position.walks === undefined ? position : { ...position, countedAt: now };

/** The rows of a page as far as their place in the list goes. */
export const placesIn = ({ snapshots, unread = [] }: Omit<ListPage, 'full'>): readonly Place[] => [
  ...snapshots,
  ...unread.map(({ ref, modifiedAt }: Unreadable) => ({ id: ref.id, modifiedAt })),
];
type Place = Pick<Snapshot, 'id' | 'modifiedAt'>;

/**
 * Where to go on after a page; undefined when it was the last. From its last stamp, for the list shifts while it is read, so rows of that
 * stamp are shown again. Rows of one stamp that fill a page are walked by their count, and a row that is edited meanwhile leaves the stamp
 * and moves those behind it: so they are walked until two walks have shown the same ones. Then none of them was
 * missed; what docs/CORRECTNESS.md says of the first row behind them remains.
 */
export function nextPosition(before: ListPosition, page: ListPage | undefined): ListPosition | undefined {
  const rows = page ? placesIn(page) : [];
  const last = rows.at(-1);
  const stamp = last ? new Date(last.modifiedAt).toISOString() : before.after;
  const isPast = stamp > before.after;
  const next = page?.full && last ? { after: stamp } : undefined;
  const isWalked = before.skip !== undefined || before.walks !== undefined;
  if (!isWalked && (isPast || !next)) return next;
  const ofStamp = rows.filter(({ modifiedAt }) => modifiedAt <= Date.parse(before.after));
  const seen = ofStamp.reduce((sum, { id }) => (sum + numberOf(id)) % 2 ** 48, before.seen ?? 0);
  if (next && !isPast) return { ...before, skip: (before.skip ?? 0) + rows.length, seen };
  const walks = (before.walks ?? 0) + 1;
  if (before.seenBefore === seen || walks >= walkLimit) return next;
  return { after: before.after, walks, seenBefore: seen };
}

/** In whatever order they are shown, the same rows have the same sum. */
const numberOf = (id: string): number => createHash('sha256').update(id).digest().readUIntBE(0, 6);
