import { randomUUID } from 'node:crypto';
import { Big } from 'big.js';
import type { Behaviours } from './behaviours.ts';
import { type Business, InputFault, living, newId, stampNow, touch } from './business.ts';
import { exponentOf, rounded, toMinor } from './money.ts';
import { knownTaxes } from './products.ts';
import type { DiscountRecord, InvoiceRecord, ItemRecord } from './records.ts';
import type { Store } from './store.ts';
import { rateOf } from './taxes.ts';

type Input = Readonly<Record<string, unknown>>;
const textFields = ['subhead', 'poNumber', 'memo', 'footer'] as const;

/** Amounts in major units. Tax is rounded on each line, and not reduced by the discount. */
export interface Totals {
  readonly subtotal: Big;
  readonly discount: Big;
  readonly tax: Big;
  readonly total: Big;
  readonly paid: Big;
  readonly due: Big;
}

export const lineSubtotal = (item: ItemRecord, currency: string): Big =>
  toMinor(new Big(item.quantity).times(item.unitPrice), currency);
export const lineTax = (item: ItemRecord, taxId: string, currency: string): Big =>
  toMinor(lineSubtotal(item, currency).times(rateOf(taxId)), currency);

export function totalsOf(invoice: InvoiceRecord, store: Store, behaviours: Behaviours): Totals {
  const sum = (amounts: readonly Big[]) => amounts.reduce((total, amount) => total.plus(amount), new Big(0));
  const { currency } = invoice;
  const subtotal = sum(invoice.items.map((item) => lineSubtotal(item, currency)));
  const tax = sum(invoice.items.flatMap((item) => item.taxIds.map((id) => lineTax(item, id, currency))));
  const discount = sum(
    invoice.discounts.map((each) => toMinor(discountOf(each, subtotal, behaviours), currency)),
  );
  const total = subtotal.minus(discount).plus(tax);
  const paid = sum(
    store
      .all('payment')
      .filter((payment) => payment.invoiceId === invoice.id && !payment.deleted)
      .map((payment) => new Big(payment.amount)),
  );
  return { subtotal, discount, tax, total, paid, due: total.minus(paid) };
}

function discountOf({ type, value }: DiscountRecord, subtotal: Big, { percentage }: Behaviours): Big {
  if (type === 'FIXED') return new Big(value);
  return subtotal.times(value).div(percentage === 'percent' ? 100 : 1);
}

/** One field that mixes delivery and payment, derived. */
export function statusOf(invoice: InvoiceRecord, { total, paid }: Totals, now = new Date()): string {
  if (!invoice.approved) return 'DRAFT';
  if (paid.gt(total)) return 'OVERPAID';
  if (paid.gt(0) || total.eq(0)) return paid.eq(total) ? 'PAID' : 'PARTIAL';
  if (invoice.dueDate < now.toISOString().slice(0, 10)) return 'OVERDUE';
  if (invoice.viewedAt) return 'VIEWED';
  return invoice.sentAt ? 'SENT' : 'SAVED';
}

function items(business: Business, input: unknown): readonly ItemRecord[] {
  return ((input ?? []) as readonly Input[]).map((line, index) => {
    const path = `items.${index}`;
    const product = business.store.find('product', String(line.productId));
    if (!product || product.deleted)
      throw new InputFault(`${path}.productId`, 'Node could not be found.', 'NOT_FOUND');
    if (!product.incomeAccountId) throw new InputFault(`${path}.productId`, 'The product is not sold.');
    const taxes = line.taxes as readonly { salesTaxId: string }[] | null | undefined;
    return {
      id: randomUUID(),
      productId: product.id,
      description:
        (line.description as string | null | undefined) ??
        (line.description === null ? null : product.description),
      quantity: rounded(String(line.quantity ?? '1'), 8),
      unitPrice: rounded(String(line.unitPrice ?? product.unitPrice), 8),
      taxIds: taxes ? knownTaxes(taxes.map(({ salesTaxId }) => salesTaxId)) : product.taxIds,
    };
  });
}

function discounts(input: unknown): readonly DiscountRecord[] {
  const given = (input ?? []) as readonly Input[];
  if (given.length > 1) throw new InputFault('discounts', 'At most one discount is allowed.');
  return given.map((each) => {
    const type = each.discountType as DiscountRecord['type'];
    const value = type === 'FIXED' ? each.amount : each.percentage;
    if (value === null || value === undefined)
      throw new InputFault('discounts', 'A discount needs its value.');
    return { type, name: (each.name as string | null | undefined) ?? null, value: rounded(String(value), 8) };
  });
}

function nextNumber({ store }: Business): string {
  const numbers = store
    .all('invoice')
    .map(({ invoiceNumber }) => Number(/^\d+$/.test(invoiceNumber) ? invoiceNumber : 0));
  return String(Math.max(0, ...numbers) + 1);
}

const plusDays = (date: string, days: number): string =>
  new Date(Date.parse(date) + days * 86_400_000).toISOString().slice(0, 10);

/** What an input changes, over what was there or over Wave's own standards. */
function changes(business: Business, input: Input, before: InvoiceRecord | undefined) {
  const customerId = input.customerId === undefined ? before?.customerId : String(input.customerId);
  const customer = living(business, 'customer', customerId ?? '', 'customerId');
  const given = (field: string) => (input[field] ?? undefined) as string | undefined;
  const invoiceDate = given('invoiceDate') ?? before?.invoiceDate ?? new Date().toISOString().slice(0, 10);
  const texts = Object.fromEntries(
    textFields.map((field) => [
      field,
      input[field] === undefined ? (before?.texts[field] ?? null) : (input[field] as string | null),
    ]),
  );
  return {
    customerId: customer.id,
    currency: given('currency') ?? before?.currency ?? 'CAD',
    invoiceDate,
    dueDate:
      given('dueDate') ?? before?.dueDate ?? plusDays(invoiceDate, business.behaviours().paymentTermDays),
    title: given('title')?.trim() || before?.title || 'Invoice',
    invoiceNumber: given('invoiceNumber') ?? before?.invoiceNumber ?? nextNumber(business),
    texts,
    items: input.items === undefined ? (before?.items ?? []) : items(business, input.items),
    discounts: input.discounts === undefined ? (before?.discounts ?? []) : discounts(input.discounts),
  };
}

export function invoiceCreate(business: Business, input: Input): InvoiceRecord {
  const now = stampNow(business);
  const record: InvoiceRecord = {
    ...changes(business, input, undefined),
    id: newId(business, 'invoice'),
    approved: input.status === 'SAVED',
    sentAt: null,
    viewedAt: null,
    createdAt: now,
    modifiedAt: now,
  };
  business.store.put('invoice', record);
  return record;
}

export function invoicePatch(business: Business, input: Input): InvoiceRecord {
  const before = living(business, 'invoice', String(input.id), 'id');
  const { issuedAreFinal } = business.behaviours();
  const [first] = Object.entries(input).filter(([field]) => field !== 'id');
  if (before.approved && issuedAreFinal && first)
    throw new InputFault(
      first[0],
      `The invoice ${before.invoiceNumber} is final and does not take ${first[1]}.`,
    );
  const { paid } = totalsOf(before, business.store, business.behaviours());
  const locked = ['items', 'customerId', 'currency', 'discounts'].find((field) => input[field] !== undefined);
  if (paid.gt(0) && locked && !business.behaviours().paidInvoicesCanChange)
    throw new InputFault(locked, 'An invoice with payments cannot be changed like this.');
  const approved = before.approved || input.status === 'SAVED';
  return touch(business, 'invoice', { ...before, ...changes(business, input, before), approved });
}

export function invoiceDelete(business: Business, input: Input): void {
  const before = living(business, 'invoice', String(input.invoiceId), 'invoiceId');
  const { paid } = totalsOf(before, business.store, business.behaviours());
  if (before.approved || paid.gt(0))
    throw new InputFault('invoiceId', 'Only a draft without payments can be deleted.');
  touch(business, 'invoice', { ...before, deleted: true });
}

export function invoiceApprove(business: Business, input: Input): InvoiceRecord {
  const before = living(business, 'invoice', String(input.invoiceId), 'invoiceId');
  const after = touch(business, 'invoice', { ...before, approved: true });
  business.announce('invoice.approved', after.id, {});
  return after;
}

/** By hand or by e-mail: the stand-in only notes that an e-mail would have gone out. */
export function invoiceSent(business: Business, input: Input, event: 'sent' | 'marked'): InvoiceRecord {
  const before = living(business, 'invoice', String(input.invoiceId), 'invoiceId');
  if (event === 'sent') business.store.add('emailsSent');
  const after = touch(business, 'invoice', { ...before, approved: true, sentAt: stampNow(business) });
  business.announce('invoice.sent', after.id, {});
  return after;
}

export function invoiceViewed(business: Business, id: string): InvoiceRecord {
  const before = living(business, 'invoice', id, 'id');
  const after = touch(business, 'invoice', { ...before, viewedAt: stampNow(business) });
  business.announce('invoice.viewed', after.id, {});
  return after;
}

export function invoiceClone(business: Business, input: Input): InvoiceRecord {
  const { invoiceNumber: _number, ...before } = living(
    business,
    'invoice',
    String(input.invoiceId),
    'invoiceId',
  );
  const now = stampNow(business);
  const copy = {
    ...before,
    id: newId(business, 'invoice'),
    invoiceNumber: nextNumber(business),
    approved: false,
    sentAt: null,
    viewedAt: null,
    createdAt: now,
    modifiedAt: now,
  };
  business.store.put('invoice', copy);
  return copy;
}

export function paymentCreate(business: Business, input: Input): string {
  const invoice = living(business, 'invoice', String(input.invoiceId), 'invoiceId');
  if (!invoice.approved) throw new InputFault('invoiceId', 'A draft takes no payment.');
  const amount = rounded(String(input.amount), exponentOf(invoice.currency));
  if (new Big(amount).lte(0)) throw new InputFault('amount', 'The amount must be more than zero.');
  const now = stampNow(business);
  const id = newId(business, 'payment');
  business.store.put('payment', {
    id,
    invoiceId: invoice.id,
    amount,
    paymentDate: String(input.paymentDate),
    memo: (input.memo as string | null | undefined) ?? null,
    createdAt: now,
    modifiedAt: now,
  });
  afterPayment(business, invoice, amount);
  return id;
}

export function paymentDelete(business: Business, input: Input): void {
  const payment = living(business, 'payment', String(input.id ?? input.invoicePaymentId), 'id');
  business.store.put('payment', { ...payment, deleted: true });
  const invoice = business.store.find('invoice', payment.invoiceId);
  if (invoice && business.behaviours().paymentMovesInvoice) touch(business, 'invoice', invoice);
}

function afterPayment(business: Business, invoice: InvoiceRecord, amount: string): void {
  if (business.behaviours().paymentMovesInvoice) touch(business, 'invoice', invoice);
  const totals = totalsOf(invoice, business.store, business.behaviours());
  const type = { PAID: 'invoice.paid', PARTIAL: 'invoice.partially_paid', OVERPAID: 'invoice.overpaid' }[
    statusOf(invoice, totals)
  ];
  if (type)
    business.announce(type, invoice.id, { amount_paid: amount, remaining_balance: totals.due.toFixed(2) });
}
