import { isDeepStrictEqual } from 'node:util';
import {
  type CrmRecord,
  checkInput,
  checkRecord,
  complete,
  type Fields,
  type RecordType,
  recordTypes,
} from './contract.ts';
import { identified } from './lines.ts';
import { mergePatch } from './merge-patch.ts';
import { ProblemError, refusedField } from './problem.ts';
import { searchedOf } from './record-rows.ts';
import type { Store } from './store.ts';

// The rules of the CRM. Each write runs inside a transaction of its caller.

/** @throws ProblemError 404 for an unknown record, 410 for a deleted one. */
export function readRecord(store: Store, type: RecordType, id: string, at?: number): CrmRecord {
  const record = store.records.find(type, id, at);
  if (!record) throw new ProblemError(404, `There is no ${type} ${id}`);
  if (record.DeletedAt !== null)
    throw new ProblemError(410, `The ${type} ${id} was deleted at ${record.DeletedAt}`);
  return record;
}

/** `now` is when it is said to have been made. @throws ProblemError 422. */
export function createRecord(
  store: Store,
  type: RecordType,
  input: unknown,
  now = new Date().toISOString(),
): CrmRecord {
  const fields = complete(type, { ...unsetFields[type], ...checkInput(type, input) });
  const number = store.counters.next('id');
  const record = checkRecord(type, {
    Id: `${recordTypes[type].prefix}_${number}`,
    Version: 1,
    CreatedAt: now,
    UpdatedAt: now,
    DeletedAt: null,
    ...(type === 'order' && fields.OrderNumber === undefined
      ? { OrderNumber: `SO-${store.counters.next('orderNumber')}` }
      : {}),
    ...withLineIds(store, fields, []),
  });
  checkAgainstOthers(store, type, record, undefined);
  store.records.insert(type, number, record);
  return record;
}

/** What a create sets where the contract names no default. */
const unsetFields: Readonly<Record<RecordType, Fields>> = {
  customer: {},
  product: { UnitPrice: '0', TaxCodes: [] },
  order: {},
};

/** A merge patch. Without an actual change the record stays as it is, version included. @throws ProblemError 404, 410, 412, 422. */
export function patchRecord(
  store: Store,
  type: RecordType,
  id: string,
  input: unknown,
  ifMatch: string | undefined,
): { readonly record: CrmRecord; readonly changed: boolean } {
  const current = matching(readRecord(store, type, id), ifMatch);
  const patch = checkInput(type, input);
  const merged = complete(type, mergePatch(current, patch) as Fields);
  const fields = patch.Lines === undefined ? merged : withLineIds(store, merged, linesOf(current));
  if (isDeepStrictEqual({ ...current, ...fields }, current)) return { record: current, changed: false };
  const record = checkRecord(type, { ...current, ...fields, ...grown(current) });
  checkAgainstOthers(store, type, record, current);
  store.records.save(type, record);
  return { record, changed: true };
}

/** A soft delete: the record stays listed with `includeDeleted`. @throws ProblemError 404, 410, 412. */
export function deleteRecord(
  store: Store,
  type: RecordType,
  id: string,
  ifMatch: string | undefined,
): CrmRecord {
  const current = matching(readRecord(store, type, id), ifMatch);
  const stamp = grown(current);
  const record = { ...current, ...stamp, DeletedAt: stamp.UpdatedAt };
  store.records.save(type, record);
  return record;
}

/** Takes a delete back; a living record stays as it is. @throws ProblemError 404, and 422 when it no longer fits the others. */
export function restoreRecord(
  store: Store,
  type: RecordType,
  id: string,
): { readonly record: CrmRecord; readonly changed: boolean } {
  const current = store.records.find(type, id);
  if (!current) throw new ProblemError(404, `There is no ${type} ${id}`);
  if (current.DeletedAt === null) return { record: current, changed: false };
  const record = { ...current, ...grown(current), DeletedAt: null };
  checkAgainstOthers(store, type, record, undefined);
  store.records.save(type, record);
  return { record, changed: true };
}

/** The version in quotes. */
export const etagOf = ({ Version }: CrmRecord): string => `"${Version}"`;

function matching(record: CrmRecord, ifMatch: string | undefined): CrmRecord {
  const allowed = ifMatch?.split(',').map((tag) => tag.trim());
  if (allowed && !allowed.includes('*') && !allowed.includes(etagOf(record)))
    throw new ProblemError(412, `If-Match is ${ifMatch}, the record is at ${etagOf(record)}`);
  return record;
}

/** The next version; its time is later than the last one's even within one millisecond, or when the clock was set back. */
function grown({ Version, UpdatedAt }: CrmRecord): Pick<CrmRecord, 'Version' | 'UpdatedAt'> {
  const time = Math.max(Date.now(), Date.parse(UpdatedAt) + 1);
  return { Version: Version + 1, UpdatedAt: new Date(time).toISOString() };
}

const linesOf = ({ Lines }: Fields): readonly Fields[] => (Lines as readonly Fields[] | undefined) ?? [];

const withLineIds = (store: Store, fields: Fields, before: readonly Fields[]): Fields =>
  fields.Lines === undefined
    ? fields
    : { ...fields, Lines: identified(linesOf(fields), before, () => `lin_${store.counters.next('id')}`) };

/** What a record must keep towards the other records. What it held before is not questioned again. */
function checkAgainstOthers(
  store: Store,
  type: RecordType,
  record: CrmRecord,
  before: CrmRecord | undefined,
): void {
  if (record.ExternalId && record.ExternalId !== before?.ExternalId) {
    const externalId = String(record.ExternalId);
    refuseOther(store, type, record, 'ExternalId', { externalId });
  }
  if (type !== 'order') return;
  if (record.OrderNumber !== before?.OrderNumber) {
    refuseOther(store, type, record, 'OrderNumber', {
      searched: searchedOf(type, record.OrderNumber),
      includeDeleted: true,
    });
    const ownNumber = /^SO-(\d{1,9})$/.exec(String(record.OrderNumber))?.[1];
    if (ownNumber) store.counters.raise('orderNumber', Number(ownNumber));
  }
  if (record.CustomerId !== before?.CustomerId)
    checkLiving(store, 'customer', record.CustomerId, 'CustomerId');
  const held = new Set(linesOf(before ?? {}).map(({ ProductId }) => ProductId));
  for (const [index, { ProductId }] of linesOf(record).entries()) {
    if (ProductId !== null && !held.has(ProductId))
      checkLiving(store, 'product', ProductId, `Lines[${index}].ProductId`);
  }
}

function refuseOther(
  store: Store,
  type: RecordType,
  { Id }: CrmRecord,
  field: string,
  filters: Parameters<Store['records']['list']>[1],
): void {
  const [other] = store.records.list(type, filters, 2, undefined).filter(({ record }) => record.Id !== Id);
  if (other) throw refusedField(field, 'unique', `is taken by ${other.record.Id}`);
}

function checkLiving(store: Store, type: RecordType, id: unknown, field: string): void {
  const record = store.records.find(type, String(id));
  if (!record) throw refusedField(field, 'unknown', `is no ${type}`);
  if (record.DeletedAt !== null) throw refusedField(field, 'deleted', `is a deleted ${type}`);
}
