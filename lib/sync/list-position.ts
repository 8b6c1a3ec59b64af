import type { Snapshot } from '../domain/record.ts';
import type { ListPosition } from './ports.ts';

/** Where a list of Wave's is asked from: a millisecond before, for whether its bound is inclusive is unconfirmed. */
export const boundOf = ({ after, ...rest }: ListPosition): ListPosition => ({
  ...rest,
  after: new Date(Math.max(0, Date.parse(after) - 1)).toISOString(),
});

/**
 * Where to go on after a full page: from its last stamp, for the list shifts while it is read, so rows of that stamp are shown again;
 * rows of one stamp that fill a page are walked by their count.
 */
export function afterFullPage(
  before: ListPosition,
  rows: readonly Pick<Snapshot, 'modifiedAt'>[],
): ListPosition {
  const last = rows.at(-1);
  const stamp = last ? new Date(last.modifiedAt).toISOString() : before.after;
  return stamp > before.after ? { after: stamp } : { ...before, skip: (before.skip ?? 0) + rows.length };
}
