import { isDeepStrictEqual } from 'node:util';
import type { Body, Pair, RecordRef } from '../../lib/domain/record.ts';
import type { Author, Truth } from './truth.ts';

/** The CRM's state and rules, over plain memory. */
export interface Customcrm {
  readonly find: (pair: Pair, id: string) => Body | undefined;
  readonly all: (pair: Pair) => readonly Body[];
  readonly living: (pair: Pair) => readonly Body[];
  /** @throws Refusal. */
  readonly create: (pair: Pair, input: Body, by: Author) => Body;
  /** A merge patch of top-level properties. Without a change nothing happens. @throws Refusal. */
  readonly patch: (pair: Pair, id: string, input: Body, by: Author, ifMatch?: string) => Body;
  /** A soft delete. @throws Refusal. */
  readonly remove: (pair: Pair, id: string, by: Author, ifMatch?: string) => void;
  readonly restore: (pair: Pair, id: string) => void;
}

/** What the CRM answers instead of a record. */
export class Refusal extends Error {
  readonly status: number;
  constructor(status: number, reason: string) {
    super(reason);
    this.status = status;
  }
}

export interface CustomcrmOptions {
  /** By the CRM's own clock, ms. */
  readonly now: () => number;
  readonly truth: Truth;
  readonly onChange: (ref: RecordRef, body: Body) => void;
  /** It stores texts without surrounding blanks. */
  readonly trims: boolean;
}

const prefixes = { customer: 'cus', product: 'pro', order: 'ord' } as const;
const nameLimit = 255;

const customerTexts = [
  'Number',
  'FirstName',
  'LastName',
  'Email',
  'Phone',
  'Mobile',
  'TollFree',
  'Fax',
  'Website',
  'Description',
  'StreetAddress1',
  'StreetAddress2',
  'City',
  'ZipCode',
  'Province',
  'Country',
  'Currency',
  'ShippingName',
  'ShippingPhone',
  'ShippingInstructions',
  'ShippingStreetAddress1',
  'ShippingStreetAddress2',
  'ShippingCity',
  'ShippingZipCode',
  'ShippingProvince',
  'ShippingCountry',
  'ExternalId',
] as const;
const orderTexts = [
  'DueDate',
  'PurchaseOrderNumber',
  'Title',
  'Description',
  'Footer',
  'Discount',
  'InvoiceNumber',
  'InvoiceStatus',
  'InvoiceUrl',
  'SubtotalAmount',
  'TaxAmount',
  'TotalAmount',
  'AmountPaid',
  'AmountDue',
  'ExternalId',
] as const;
const empty = (names: readonly string[]): Body => Object.fromEntries(names.map((name) => [name, null]));
/** What a record holds that was not said at its creation. */
const unsaid: Readonly<Record<Pair, Body>> = {
  customer: empty(customerTexts),
  product: { Sku: null, Description: null, UnitPrice: '0', Active: true, TaxCodes: [], ExternalId: null },
  order: { ...empty(orderTexts), Status: 'draft', Lines: [] },
};

export function customcrm({ now, truth, onChange, trims }: CustomcrmOptions): Customcrm {
  const records: Record<Pair, Map<string, Body>> = {
    customer: new Map(),
    product: new Map(),
    order: new Map(),
  };
  let count = 0;
  const find = (pair: Pair, id: string) => records[pair].get(id);
  const all = (pair: Pair) => [...records[pair].values()];
  const living = (pair: Pair) => all(pair).filter((body) => body.DeletedAt === null);
  const lineId = () => `lin_${++count}`;

  function existing(pair: Pair, id: string, ifMatch: string | undefined): Body {
    const body = find(pair, id);
    if (!body) throw new Refusal(404, 'unknown');
    if (body.DeletedAt !== null) throw new Refusal(410, 'deleted');
    if (ifMatch !== undefined && ifMatch !== `"${body.Version}"`) throw new Refusal(412, 'stale');
    return body;
  }

  function save(
    pair: Pair,
    before: Body | undefined,
    after: Body,
    did: 'created' | 'edited' | 'deleted' | 'restored',
    by: Author,
  ): Body {
    const ref = { system: 'customcrm', pair, id: String(after.Id) } as const;
    records[pair].set(ref.id, after);
    truth.note({ ...ref, did, by, before, after });
    onChange(ref, after);
    return after;
  }

  const grown = (body: Body): Body => ({
    Version: Number(body.Version) + 1,
    UpdatedAt: new Date(Math.max(now(), Date.parse(String(body.UpdatedAt)) + 1)).toISOString(),
  });

  return {
    find,
    all,
    living,
    create(pair, input, by) {
      const id = `${prefixes[pair]}_${++count}`;
      const at = new Date(now()).toISOString();
      const number =
        pair === 'order' && input.OrderNumber === undefined ? { OrderNumber: `SO-${++count}` } : {};
      const made = stored(
        {
          ...unsaid[pair],
          ...number,
          ...input,
          Id: id,
          Version: 1,
          CreatedAt: at,
          UpdatedAt: at,
          DeletedAt: null,
        },
        [],
        lineId,
        trims,
      );
      check(records, pair, made, undefined);
      return save(pair, undefined, made, 'created', by);
    },
    patch(pair, id, input, by, ifMatch) {
      const before = existing(pair, id, ifMatch);
      const merged = stored({ ...before, ...input }, linesOf(before), lineId, trims);
      if (isDeepStrictEqual(merged, before)) return before;
      const after = { ...merged, ...grown(before) };
      check(records, pair, after, before);
      return save(pair, before, after, 'edited', by);
    },
    remove(pair, id, by, ifMatch) {
      const before = existing(pair, id, ifMatch);
      const stamps = grown(before);
      save(pair, before, { ...before, ...stamps, DeletedAt: stamps.UpdatedAt }, 'deleted', by);
    },
    restore(pair, id) {
      const before = find(pair, id);
      if (before && before.DeletedAt !== null)
        save(pair, before, { ...before, ...grown(before), DeletedAt: null }, 'restored', { who: 'user' });
    },
  };
}

const linesOf = (body: Body): readonly Body[] => (body.Lines ?? []) as readonly Body[];
const content = ({ Id: _id, ...rest }: Body): Body => rest;

/** Lines keep the id of an equal line; texts are trimmed where this CRM does so. */
function stored(body: Body, before: readonly Body[], lineId: () => string, trims: boolean): Body {
  const trimmed = trims
    ? Object.fromEntries(
        Object.entries(body).map(([name, value]) => [name, typeof value === 'string' ? value.trim() : value]),
      )
    : body;
  if (body.Lines === undefined) return trimmed;
  const free = [...before];
  const Lines = linesOf(body).map((line) => {
    const at = free.findIndex((old) => isDeepStrictEqual(content(old), content(line)));
    const [same] = at >= 0 ? free.splice(at, 1) : [];
    return { ...content(line), Id: same?.Id ?? lineId() };
  });
  return { ...trimmed, Lines };
}

const required: Readonly<Record<Pair, readonly string[]>> = {
  customer: ['Name'],
  product: ['Name', 'UnitPrice'],
  order: ['OrderNumber', 'CustomerId', 'Currency', 'OrderDate'],
};

function check(
  records: Readonly<Record<Pair, ReadonlyMap<string, Body>>>,
  pair: Pair,
  body: Body,
  before: Body | undefined,
): void {
  for (const name of required[pair])
    if (typeof body[name] !== 'string' || body[name] === '') throw new Refusal(422, `${name} required`);
  if (typeof body.Name === 'string' && body.Name.length > nameLimit) throw new Refusal(422, 'Name too long');
  const others = [...records[pair].values()].filter(({ Id }) => Id !== body.Id);
  const isTaken = (name: string, among: readonly Body[]) =>
    body[name] !== before?.[name] && Boolean(body[name]) && among.some((other) => other[name] === body[name]);
  if (
    isTaken(
      'ExternalId',
      others.filter(({ DeletedAt }) => DeletedAt === null),
    )
  )
    throw new Refusal(422, 'ExternalId unique');
  if (pair !== 'order') return;
  if (isTaken('OrderNumber', others)) throw new Refusal(422, 'OrderNumber unique');
  if (
    body.CustomerId !== before?.CustomerId &&
    records.customer.get(String(body.CustomerId))?.DeletedAt !== null
  )
    throw new Refusal(422, 'CustomerId unknown');
  const held = new Set(linesOf(before ?? {}).map(({ ProductId }) => ProductId));
  for (const { ProductId } of linesOf(body)) {
    if (
      ProductId != null &&
      !held.has(ProductId) &&
      records.product.get(String(ProductId))?.DeletedAt !== null
    )
      throw new Refusal(422, 'ProductId unknown');
  }
}
