import type { Link } from '../domain/link.ts';
import { parseRef, type RecordRef, refKey, type Snapshot } from '../domain/record.ts';
import type { Key, Table, Write } from './ports.ts';

/** What a link left behind: it forbids a new counterpart for the deleted record, and for the survivor one that nobody asked for. */
export interface Tombstone {
  readonly kind: 'deleted' | 'survivor';
  readonly other: RecordRef;
  /** The link as it was, so that a record that lives again finds its agreed state. */
  readonly link: Link;
  /** ms since 1970. */
  readonly at: number;
  /** The version at which a survivor was cancelled; a later one that is not cancelled begins a new life. */
  readonly newLifeAfter?: string;
}

const tombstoneKey = (ref: RecordRef): Key => ({ pk: refKey(ref), sk: 'tombstone' });

export const tombstoneWrite = (ref: RecordRef, { other, ...tombstone }: Tombstone): Write => ({
  put: { ...tombstoneKey(ref), ...tombstone, other: refKey(other) },
});

/** To be part of a write that is based on this tombstone, or on there being none. */
export const unlinkedAsBefore = (
  ref: RecordRef,
  seen: Pick<Tombstone, 'kind' | 'at'> | undefined,
): Write => ({
  check: tombstoneKey(ref),
  when: seen ? { equals: { kind: seen.kind, at: seen.at } } : 'absent',
});

export const removeTombstone = (ref: RecordRef): Write => ({ delete: tombstoneKey(ref) });

/** Consistent. */
export async function tombstoneOf(table: Table, ref: RecordRef): Promise<Tombstone | undefined> {
  const item = await table.get(tombstoneKey(ref));
  if (!item) return undefined;
  return {
    kind: item.kind === 'deleted' ? 'deleted' : 'survivor',
    other: parseRef(String(item.other)),
    link: item.link as Link,
    at: Number(item.at),
    ...(item.newLifeAfter !== undefined && { newLifeAfter: String(item.newLifeAfter) }),
  };
}

/** Cancelled orders come back by being edited; an older picture than the cancelled one is a lagging one. */
export const beginsNewLife = (
  { newLifeAfter }: Pick<Tombstone, 'newLifeAfter'>,
  { version }: Snapshot,
): boolean => newLifeAfter !== undefined && Number(version) > Number(newLifeAfter);
