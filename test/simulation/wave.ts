import { isDeepStrictEqual } from 'node:util';
import type { Body, Pair, RecordRef } from '../../lib/domain/record.ts';
import type { Tax } from '../../lib/sync/ports.ts';
import type { Author, Truth } from './truth.ts';
import { rounded, totalsOf } from './wave-money.ts';

/** Wave's state and rules, over plain memory. Inputs are those of its mutations, bodies those of its reads. */
export interface Wave {
  readonly find: (pair: Pair, id: string) => Body | undefined;
  readonly living: (pair: Pair) => readonly Body[];
  /** @throws WaveRefusal. */
  readonly create: (pair: Pair, input: Body, by: Author) => Body;
  /** Replaces the properties of the input; address, shippingDetails, items and discounts as a whole. @throws WaveRefusal. */
  readonly patch: (pair: Pair, id: string, input: Body, by: Author) => Body;
  /** @throws WaveRefusal. */
  readonly archive: (id: string, by: Author) => Body;
  readonly approve: (id: string, by: Author) => Body;
  readonly pay: (id: string, share: 'part' | 'all') => void;
  /** Only in the web app. */
  readonly unarchive: (id: string) => void;
  readonly remove: (pair: Pair, id: string, by: Author) => void;
}

/** `didSucceed: false` with this reason, or NOT_FOUND. */
export class WaveRefusal extends Error {
  readonly code: 'INVALID' | 'NOT_FOUND';
  constructor(code: 'INVALID' | 'NOT_FOUND', reason: string) {
    super(reason);
    this.code = code;
  }
}

export interface WaveOptions {
  /** By Wave's own clock, ms. */
  readonly now: () => number;
  readonly truth: Truth;
  readonly onChange: (ref: RecordRef, event: string | undefined) => void;
  readonly trims: boolean;
  /** It writes postal codes its own way. */
  readonly reformats: boolean;
  readonly wholeSeconds: boolean;
  /** The order of items is kept; else they come back as Wave likes. */
  readonly keepsLineOrder: boolean;
}

/** The sales taxes of the simulated business, with their rates. */
export const taxes: readonly (Tax & { readonly rate: string })[] = [
  { id: 'T-gst', abbreviation: 'GST', archived: false, rate: '0.05' },
  { id: 'T-pst', abbreviation: 'PST', archived: false, rate: '0.07' },
  { id: 'T-hst', abbreviation: 'HST', archived: true, rate: '0.13' },
];
const rateOf = (id: string): string => taxes.find((tax) => tax.id === id)?.rate ?? '0';
const businessCurrency = 'CAD';

export function wave(options: WaveOptions): Wave {
  const { truth, onChange } = options;
  const records: Record<Pair, Map<string, Body>> = {
    customer: new Map(),
    product: new Map(),
    order: new Map(),
  };
  const paid = new Map<string, string>();
  let count = 0;
  let numbers = 0;
  const stampNow = () =>
    new Date(options.wholeSeconds ? Math.floor(options.now() / 1000) * 1000 : options.now()).toISOString();
  const find = (pair: Pair, id: string) => records[pair].get(id);

  function existing(pair: Pair, id: string): Body {
    const body = find(pair, id);
    if (!body) throw new WaveRefusal('NOT_FOUND', 'not found');
    return body;
  }

  function save(pair: Pair, before: Body | undefined, draft: Body, by: Author, event?: string): Body {
    const computed = pair === 'order' ? totalsOf(draft, paid.get(String(draft.id)) ?? '0', rateOf) : {};
    const after = { ...draft, ...computed };
    if (before && isDeepStrictEqual(after, before)) return before;
    const stamped = { ...after, modifiedAt: stampNow() };
    const ref = { system: 'wave', pair, id: String(after.id) } as const;
    records[pair].set(ref.id, stamped);
    truth.note({ ...ref, did: before ? 'edited' : 'created', by, before, after: stamped });
    onChange(ref, event);
    return stamped;
  }

  const apply = (pair: Pair, before: Body, input: Body): Body =>
    pair === 'customer'
      ? patchedCustomer(before, input, options)
      : pair === 'product'
        ? patchedProduct(before, input, options)
        : patchedInvoice(before, input, options, records);

  return {
    find,
    living: (pair) => [...records[pair].values()],
    create(pair, input, by) {
      const id = `W-${pair}-${++count}`;
      const at = stampNow();
      const blank = { ...blanks[pair], id, createdAt: at, modifiedAt: at };
      const number =
        pair === 'order'
          ? { invoiceNumber: String(++numbers), viewUrl: `https://invoice.example/${id}` }
          : {};
      return save(
        pair,
        undefined,
        apply(pair, { ...blank, ...number }, pair === 'order' ? invoiceDefaults(input, records, at) : input),
        by,
      );
    },
    patch: (pair, id, input, by) => {
      const before = existing(pair, id);
      return save(pair, before, apply(pair, before, input), by);
    },
    archive: (id, by) => {
      const before = existing('product', id);
      return save('product', before, { ...before, isArchived: true }, by);
    },
    unarchive: (id) => {
      const before = existing('product', id);
      save('product', before, { ...before, isArchived: false }, { who: 'user' });
    },
    approve: (id, by) => {
      const before = existing('order', id);
      if (before.status !== 'DRAFT') throw new WaveRefusal('INVALID', 'not a draft');
      return save('order', before, { ...before, status: 'SAVED' }, by, 'invoice.approved');
    },
    pay(id, share) {
      const before = existing('order', id);
      const total = String((before.total as Body).minorUnitValue);
      paid.set(id, share === 'all' ? total : String(Math.floor(Number(total) / 2)));
      save(
        'order',
        before,
        { ...before, status: share === 'all' ? 'PAID' : 'PARTIAL' },
        { who: 'user' },
        'invoice.paid',
      );
    },
    remove(pair, id, by) {
      const before = existing(pair, id);
      if (pair === 'order' && (before.status !== 'DRAFT' || (paid.get(id) ?? '0') !== '0'))
        throw new WaveRefusal('INVALID', 'only drafts without payments are deleted');
      records[pair].delete(id);
      const ref = { system: 'wave', pair, id } as const;
      truth.note({ ...ref, did: 'deleted', by, before, after: before });
      onChange(ref, undefined);
    },
  };
}

const noAddress = {
  addressLine1: null,
  addressLine2: null,
  city: null,
  postalCode: null,
  province: null,
  country: null,
};
const blanks: Readonly<Record<Pair, Body>> = {
  customer: {
    name: '',
    firstName: null,
    lastName: null,
    email: null,
    phone: null,
    mobile: null,
    tollFree: null,
    fax: null,
    website: null,
    displayId: null,
    internalNotes: null,
    currency: null,
    address: noAddress,
    shippingDetails: null,
  },
  product: {
    name: '',
    description: null,
    unitPrice: '0',
    isSold: true,
    isBought: false,
    isArchived: false,
    defaultSalesTaxes: [],
  },
  order: {
    status: 'DRAFT',
    title: 'Invoice',
    poNumber: null,
    memo: null,
    footer: null,
    discounts: [],
    items: [],
  },
};

const cleanText = (value: unknown, { trims }: WaveOptions): unknown =>
  trims && typeof value === 'string' ? value.trim() : value;
const inner = (cell: unknown): Body => (cell ?? {}) as Body;
const listOf = (cell: unknown): readonly Body[] => (cell ?? []) as readonly Body[];

function refuseEmpty(name: string, value: unknown): void {
  if (typeof value !== 'string' || value.trim() === '')
    throw new WaveRefusal('INVALID', `${name} is required`);
}

function patchedCustomer(before: Body, input: Body, options: WaveOptions): Body {
  const { address, shippingDetails, currency, ...texts } = input;
  const cleaned = Object.fromEntries(
    Object.entries(texts)
      .filter(([name]) => name in blanks.customer)
      .map(([name, value]) => [name, cleanText(value, options)]),
  );
  const after: Body = {
    ...before,
    ...cleaned,
    ...('currency' in input && { currency: currency == null ? null : { code: currency } }),
    ...('address' in input && { address: addressOf(inner(address), options) }),
    ...('shippingDetails' in input && { shippingDetails: shippingOf(inner(shippingDetails), options) }),
  };
  refuseEmpty('name', after.name);
  return after;
}

function shippingOf(input: Body, options: WaveOptions): Body {
  const text = (name: string) => cleanText(input[name] ?? null, options);
  return {
    name: text('name'),
    phone: text('phone'),
    instructions: text('instructions'),
    address: addressOf(inner(input.address), options),
  };
}

function addressOf(input: Body, options: WaveOptions): Body {
  const text = (name: string) => cleanText(input[name] ?? null, options);
  const province = blankOr(input.provinceCode);
  if (province !== null && !/^[A-Z]{2}-[A-Z]{2,3}$/.test(province))
    throw new WaveRefusal('INVALID', 'provinceCode is unknown');
  const country = blankOr(input.countryCode);
  const postalCode = text('postalCode');
  return {
    addressLine1: text('addressLine1'),
    addressLine2: text('addressLine2'),
    city: text('city'),
    postalCode: options.reformats && typeof postalCode === 'string' ? reformatted(postalCode) : postalCode,
    province: province === null ? null : { code: province },
    country: country === null ? null : { code: country },
  };
}

/** How Wave spells a postal code where it has its own way. */
export const reformatted = (postalCode: string): string => postalCode.toUpperCase().replaceAll(' ', '');

const blankOr = (value: unknown): string | null =>
  typeof value === 'string' && value.trim() !== '' ? value.trim() : null;

function patchedProduct(before: Body, input: Body, options: WaveOptions): Body {
  const after: Body = {
    ...before,
    ...('name' in input && { name: cleanText(input.name, options) }),
    ...('description' in input && { description: cleanText(input.description, options) }),
    ...('unitPrice' in input && { unitPrice: rounded(String(input.unitPrice ?? '0'), 5) }),
    ...('defaultSalesTaxIds' in input && { defaultSalesTaxes: taxesOf(input.defaultSalesTaxIds) }),
  };
  refuseEmpty('name', after.name);
  return after;
}

const taxesOf = (ids: unknown): readonly Body[] =>
  (ids as readonly string[]).map((id) => {
    const tax = taxes.find((known) => known.id === id);
    if (!tax) throw new WaveRefusal('INVALID', 'a sales tax is unknown');
    return { id, abbreviation: tax.abbreviation };
  });

type Records = Readonly<Record<Pair, ReadonlyMap<string, Body>>>;

function invoiceDefaults(input: Body, records: Records, at: string): Body {
  const customer = records.customer.get(String(input.customerId));
  const own = blankOr(inner(customer?.currency).code);
  const invoiceDate = input.invoiceDate ?? at.slice(0, 10);
  const dueDate =
    blankOr(input.dueDate) ??
    new Date(Date.parse(String(invoiceDate)) + 30 * 86_400_000).toISOString().slice(0, 10);
  return { ...input, invoiceDate, dueDate, currency: input.currency ?? own ?? businessCurrency };
}

function patchedInvoice(before: Body, input: Body, options: WaveOptions, records: Records): Body {
  const has = (name: string) => name in input;
  if (has('customerId') && !records.customer.has(String(input.customerId)))
    throw new WaveRefusal('INVALID', 'customerId is unknown');
  return {
    ...before,
    ...(has('title') && {
      title: blankOr(input.title) === null ? 'Invoice' : cleanText(input.title, options),
    }),
    ...(has('poNumber') && { poNumber: cleanText(input.poNumber, options) }),
    ...(has('memo') && { memo: cleanText(input.memo, options) }),
    ...(has('footer') && { footer: cleanText(input.footer, options) }),
    ...(has('invoiceDate') && { invoiceDate: input.invoiceDate ?? before.invoiceDate }),
    ...(has('dueDate') && { dueDate: input.dueDate ?? before.invoiceDate ?? input.invoiceDate }),
    ...(has('customerId') && { customer: { id: input.customerId } }),
    ...(has('currency') && { currency: { code: input.currency ?? businessCurrency } }),
    ...(has('items') && { items: itemsOf(listOf(input.items), options, records) }),
    ...(has('discounts') && { discounts: listOf(input.discounts).map((each) => discountOf(each, options)) }),
  };
}

function itemsOf(inputs: readonly Body[], options: WaveOptions, records: Records): readonly Body[] {
  const items = inputs.map((input): Body => {
    const product = records.product.get(String(input.productId));
    if (!product) throw new WaveRefusal('INVALID', 'productId is unknown');
    const given =
      input.taxes === undefined
        ? listOf(product.defaultSalesTaxes).map(({ id }) => id)
        : listOf(input.taxes).map(({ salesTaxId }) => salesTaxId);
    return {
      product: { id: input.productId },
      description: cleanText(input.description ?? null, options),
      quantity: rounded(String(input.quantity ?? '1'), 8),
      unitPrice: rounded(String(input.unitPrice ?? product.unitPrice), 8),
      taxes: taxesOf(given).map((salesTax) => ({ salesTax })),
    };
  });
  return options.keepsLineOrder ? items : items.reverse();
}

const discountOf = (input: Body, options: WaveOptions): Body =>
  input.discountType === 'FIXED'
    ? {
        __typename: 'FixedInvoiceDiscount',
        name: cleanText(input.name ?? null, options),
        amount: String(input.amount),
      }
    : {
        __typename: 'PercentageInvoiceDiscount',
        name: cleanText(input.name ?? null, options),
        percentage: String(input.percentage),
      };
