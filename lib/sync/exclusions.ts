import { type RecordRef, refKey } from '../domain/record.ts';
import type { Key, Table, Write } from './ports.ts';

const exclusionKey = (ref: RecordRef): Key => ({ pk: refKey(ref), sk: 'exclusion' });

/** Why a person keeps this record without a counterpart, or undefined. Consistent. */
export async function exclusionOf(table: Table, ref: RecordRef): Promise<string | undefined> {
  const item = await table.get(exclusionKey(ref));
  return item && String(item.reason);
}

/** From now on the record neither gets a counterpart nor is taken for one. */
export const exclusionWrite = (ref: RecordRef, reason: string): Write => ({
  put: { ...exclusionKey(ref), reason },
});

/** To be part of a write that links a record whose lease is not held. */
export const notExcluded = (ref: RecordRef): Write => ({ check: exclusionKey(ref), when: 'absent' });

export const removeExclusion = (ref: RecordRef): Write => ({ delete: exclusionKey(ref) });
