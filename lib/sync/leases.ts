import { type RecordRef, refKey } from '../domain/record.ts';
import type { Key, Table, Write } from './ports.ts';

/** The right to work on one record, whoever rang. Outlives the invocation that holds it. */
export interface Lease {
  readonly ref: RecordRef;
  readonly owner: string;
  /** ms since 1970. */
  readonly until: number;
}

const leaseKey = (ref: RecordRef): Key => ({ pk: refKey(ref), sk: 'lease' });

/** Takes the lease, or says until when another worker holds it. */
export async function takeLease(
  table: Table,
  lease: Lease,
  now: number,
): Promise<{ readonly taken: true } | { readonly taken: false; readonly until: number }> {
  const result = await table.write([
    {
      put: {
        ...leaseKey(lease.ref),
        owner: lease.owner,
        until: lease.until,
        expiresAt: Math.ceil(lease.until / 1000) + 3600,
      },
      when: { absentOrExpired: { attribute: 'until', before: now, or: { owner: lease.owner } } },
    },
  ]);
  if (result.done) return { taken: true };
  return { taken: false, until: Number(result.failed.get(0)?.until ?? now) };
}

/** To be part of every write that is based on the lease. */
export const stillHeld = (lease: Lease): Write => ({
  check: leaseKey(lease.ref),
  when: { equals: { owner: lease.owner } },
});

/** Holds while any worker has, or had and never gave back, the lease: what waiting for it depends on. */
export const notGivenBack = (ref: RecordRef): Write => ({ check: leaseKey(ref), when: 'present' });

/** The cause key under which records wait for this lease. */
export const leaseCause = (ref: RecordRef): string => `lease#${refKey(ref)}`;

/** Renews the lease within a write. */
export const renewed = (lease: Lease): Write => ({
  put: {
    ...leaseKey(lease.ref),
    owner: lease.owner,
    until: lease.until,
    expiresAt: Math.ceil(lease.until / 1000) + 3600,
  },
  when: { equals: { owner: lease.owner } },
});

/** Gives the lease back; nothing happens when another worker has it by now. */
export async function releaseLease(table: Table, lease: Lease): Promise<void> {
  await table.write([{ delete: leaseKey(lease.ref), when: { equals: { owner: lease.owner } } }]);
}
