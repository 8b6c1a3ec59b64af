import { type Business, InputFault, living, newId, stampNow, touch } from './business.ts';
import { localIncomeAccountId } from './ids.ts';
import { rounded } from './money.ts';
import type { ProductRecord } from './records.ts';
import { salesTaxes } from './taxes.ts';

type Input = Readonly<Record<string, unknown>>;

function changes(input: Input, before: ProductRecord | undefined) {
  const name = input.name === undefined ? (before?.name ?? '') : String(input.name ?? '').trim();
  if (name === '') throw new InputFault('name', 'This field is required.');
  const price = input.unitPrice === undefined ? (before?.unitPrice ?? '0') : input.unitPrice;
  if (price === null) throw new InputFault('unitPrice', 'This field is required.');
  return {
    name,
    description:
      input.description === undefined ? (before?.description ?? null) : (input.description as string | null),
    unitPrice: rounded(String(price), 5),
    taxIds:
      input.defaultSalesTaxIds === undefined
        ? (before?.taxIds ?? [])
        : knownTaxes(input.defaultSalesTaxIds as string[] | null),
    incomeAccountId: account(input.incomeAccountId, before?.incomeAccountId),
    expenseAccountId:
      input.expenseAccountId === undefined
        ? (before?.expenseAccountId ?? null)
        : (input.expenseAccountId as string | null),
  };
}

export function knownTaxes(ids: readonly string[] | null): readonly string[] {
  const unknown = (ids ?? []).find((id) => !salesTaxes.some((tax) => tax.id === id));
  if (unknown !== undefined)
    throw new InputFault('defaultSalesTaxIds', 'Sales tax could not be found.', 'NOT_FOUND');
  return [...new Set(ids ?? [])];
}

function account(given: unknown, before: string | null | undefined): string | null {
  if (given === undefined) return before ?? null;
  if (given !== null && given !== localIncomeAccountId)
    throw new InputFault('incomeAccountId', 'The account must be an income account.');
  return given as string | null;
}

export function productCreate(business: Business, input: Input): ProductRecord {
  const now = stampNow(business);
  const record = {
    ...changes(input, undefined),
    id: newId(business, 'product'),
    isArchived: false,
    createdAt: now,
    modifiedAt: now,
  };
  if (!record.incomeAccountId && !record.expenseAccountId)
    throw new InputFault('incomeAccountId', 'A product is sold or bought: an account is needed.');
  business.store.put('product', record);
  return record;
}

export function productPatch(business: Business, input: Input): ProductRecord {
  const before = living(business, 'product', String(input.id), 'id');
  return touch(business, 'product', { ...before, ...changes(input, before) });
}

/** There is no way back through the API. */
export function productArchive(business: Business, input: Input): ProductRecord {
  const before = living(business, 'product', String(input.id), 'id');
  return touch(business, 'product', { ...before, isArchived: true });
}
